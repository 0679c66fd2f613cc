import type { GraphModel } from '@tensorflow/tfjs-converter';
import {
  AbortedError,
  evaluateLinears,
  HadaNormError,
  type QuantizationReport,
} from 'tfjs-hadanorm';
import type { Batch } from '../../../src/feed/batch.js';
import type { Method } from '../../../src/quantize/methods.js';
import {
  formatDb,
  groupByRole,
  METHOD_NAMES,
  METHODS,
  meanOf,
} from '../../../src/report/format.js';
import { plotDrawer } from '../../../src/report/htmlSvg.js';
import { rowLabels } from '../../../src/report/plotLabels.js';
import {
  METHOD_SHAPES,
  methodColour,
  methodPlot,
  outputsOf,
  spanOf,
} from '../../../src/report/plots.js';
import type { LinearReport } from '../../../src/report/report.js';
import type { Figures, LayerPlots } from '../shared/protocol.js';

/**
 * Output SQNR of every transformed linear on the calibration data, by the method and by rounding to
 * nearest.
 */
export function layerPlots(
  report: QuantizationReport,
  rounded: QuantizationReport,
): Promise<LayerPlots> {
  const byName = new Map(rounded.linears.map(({ name, sqnr }) => [name, sqnr]));
  const linears = report.linears.map((linear) => {
    const rtn = byName.get(linear.name) ?? null;
    return { ...linear, compared: rtn === null ? {} : { rtn } };
  });
  return plotsOf(linears, METHOD_NAMES);
}

/** A packed model, and the original rounded to nearest, with its report. */
export interface QuantizedModels {
  readonly report: QuantizationReport;
  readonly rounded: GraphModel;
  readonly small: GraphModel;
}

/** What was measured of a packed model and of rounding to nearest. */
export interface Measured {
  readonly plots: LayerPlots;
  readonly rtn: Partial<Figures>;
  readonly small: Partial<Figures>;
}

/**
 * As `layerPlots`, of a packed model, through the nodes that run; where it is of another graph
 * there are no plots.
 */
export async function measuredPlots(
  original: GraphModel,
  made: QuantizedModels,
  batches: readonly Batch[],
  options: { readonly signal: AbortSignal; readonly onProgress: (share: number) => void },
): Promise<Measured> {
  const { signal, onProgress } = options;
  const outputsOfModel = async (model: GraphModel) => {
    const linears = await evaluateLinears(original, model, batches, { signal });
    return new Map(linears.map(({ name, output }) => [name, output]));
  };
  try {
    const rtn = await outputsOfModel(made.rounded);
    onProgress(0.5);
    const small = await outputsOfModel(made.small);
    const transformed = made.report.linears.filter(({ treatment }) => treatment === 'transformed');
    const linears = transformed.map(({ name, ...rest }): LinearReport => {
      const sqnrOf = (outputs: ReadonlyMap<string, number>) => {
        const output = outputs.get(name) ?? Number.NaN;
        return { activations: Number.NaN, weights: Number.NaN, output };
      };
      // what made the file is not in it: the first method's mark stands for whatever it was
      const compared = { rtn: sqnrOf(rtn) };
      return { ...rest, name, method: 'hadanorm', sqnr: sqnrOf(small), compared };
    });
    const names = { ...METHOD_NAMES, hadanorm: 'Packed model' };
    const meanSqnr = (outputs: ReadonlyMap<string, number>) => ({
      sqnr: meanOf(linears.map(({ name }) => outputs.get(name))) ?? Number.NaN,
    });
    return { plots: await plotsOf(linears, names), rtn: meanSqnr(rtn), small: meanSqnr(small) };
  } catch (error) {
    if (!(error instanceof HadaNormError) || error instanceof AbortedError) throw error;
    return { plots: { plots: [], legend: [], missing: error.message }, rtn: {}, small: {} };
  }
}

async function plotsOf(
  all: readonly LinearReport[],
  names: Readonly<Record<Method, string>>,
): Promise<LayerPlots> {
  const linears = all.filter(
    (linear) => linear.treatment === 'transformed' && outputsOf(linear).size > 0,
  );
  const outputs = linears.map(outputsOf);
  const span = spanOf(outputs.flatMap((one) => [...one.values()])) ?? [0, 50];
  const draw = await plotDrawer();
  const plots: LayerPlots['plots'][number][] = [];
  for (const [role, some] of groupByRole(linears)) {
    const plot = methodPlot(role, some, span);
    const description = describe(some, names);
    const svg = `${await draw({ ...plot, description })}`;
    plots.push({ role, pattern: rowLabels(some.map(({ name }) => name)).pattern ?? '', svg });
  }
  const legend = METHODS.filter((method) => outputs.some((one) => one.has(method))).map(
    (method) => ({
      name: names[method],
      path: METHOD_SHAPES[method],
      colour: methodColour(method),
    }),
  );
  return { plots, legend, missing: plots.length === 0 ? 'No linear was transformed.' : '' };
}

/** What a plot says, for readers who do not see it. */
function describe(
  linears: readonly LinearReport[],
  names: Readonly<Record<Method, string>>,
): string {
  const outputs = linears.map(outputsOf);
  const means = METHODS.flatMap((method) => {
    const mean = meanOf(outputs.map((one) => one.get(method)));
    return mean === null ? [] : [`${names[method]} ${formatDb(mean)} dB`];
  });
  const what = `Output SQNR of ${linears.length} linears, a mark for each method`;
  return `${what}. Means: ${means.join(', ')}.`;
}
