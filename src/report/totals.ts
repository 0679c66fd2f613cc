import type { Sqnr } from '../quantize/measured.js';
import type { Method } from '../quantize/methods.js';
import type { LinearReport, QuantizationReport } from './report.js';

/** The totals of a report: means over the transformed linears, and sums of bytes. */
export function totalsOf(
  linears: readonly LinearReport[],
  modelBytes: { readonly before: number; readonly after: number },
): QuantizationReport['totals'] {
  const transformed = linears.filter(({ treatment }) => treatment === 'transformed');
  const methods = new Set(transformed.flatMap(({ compared }) => Object.keys(compared) as Method[]));
  const compared = Object.fromEntries(
    [...methods].flatMap((method) => {
      const mean = meanSqnr(transformed.map((linear) => linear.compared[method] ?? null));
      return mean === null ? [] : [[method, mean]];
    }),
  );
  const sum = (pick: (linear: LinearReport) => number) =>
    linears.reduce((total, linear) => total + pick(linear), 0);
  return {
    sqnr: meanSqnr(transformed.map(({ sqnr }) => sqnr)),
    compared,
    linearBytes: {
      before: sum(({ bytes }) => bytes.before),
      after: sum(({ bytes }) => bytes.after),
    },
    modelBytes,
  };
}

/** Decibels of the transformed linears' outputs, of those that were measured. */
export function transformedOutputs(linears: readonly LinearReport[]): number[] {
  return linears.flatMap(({ treatment, sqnr }) =>
    treatment === 'transformed' && sqnr !== null ? [sqnr.output] : [],
  );
}

/** Mean of decibels, over those that were measured; null where none was. */
export function meanSqnr(figures: readonly (Sqnr | null)[]): Sqnr | null {
  const known = figures.filter((figure) => figure !== null);
  if (known.length === 0) return null;
  const mean = (pick: (figure: Sqnr) => number) =>
    known.reduce((total, figure) => total + pick(figure), 0) / known.length;
  return {
    activations: mean(({ activations }) => activations),
    weights: mean(({ weights }) => weights),
    output: mean(({ output }) => output),
  };
}
