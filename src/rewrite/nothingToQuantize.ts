import { HadaNormError } from '../../ops/numerics/errors.js';
import { KIND } from '../../ops/numerics/kinds.js';
import type { Graph } from '../graph/ir.js';
import type { PlacedLinear } from '../recognize/analysis.js';
import { fits } from '../recognize/fits.js';
import type { RewriteOptions } from './options.js';
import { isForAll } from './settings.js';

/** There is nothing in a model that would be quantized, and no option asks for that. */
export class NothingToQuantizeError extends HadaNormError {
  static override readonly [KIND] = 'NothingToQuantizeError';
  override readonly name = 'NothingToQuantizeError';
}

/** Linears of a graph that are quantized already. */
export function quantizedAlready({ nodes }: Graph): number {
  return [...nodes.values()].filter(({ op }) => op === 'QuantizedMatMul').length;
}

/**
 * For a rewrite that would change nothing.
 *
 * Who leaves all linears alone by a rule with treatment 'skip', or by `weightOnly: false`, gets the
 * model as it was: options that are made by a program may well say so. Anyone else would take a
 * float32 model for a quantized one.
 * @throws NothingToQuantizeError where no option says to leave it all alone.
 */
export function checkAsked(
  op: string,
  graph: Graph,
  linears: readonly PlacedLinear[],
  { rules = [] }: RewriteOptions,
): void {
  const skips = rules.filter(({ treatment }) => treatment === 'skip');
  const skipped = ({ linear, role }: PlacedLinear) =>
    role !== 'other' || skips.some((rule) => fits(rule, linear.name, role));
  if (skips.some(isForAll) || linears.some(skipped)) return;
  const already = quantizedAlready(graph);
  if (already > 0) {
    const found = `${count(already, 'linear')} of it are products of codes`;
    const wayOut = 'Rewrite the original model instead.';
    throw new NothingToQuantizeError(
      op,
      `the model is quantized already: ${found}, and there is nothing else to quantize. ${wayOut}`,
    );
  }
  const found = linears.length === 0 ? noLinear(graph) : withoutRole(linears);
  throw new NothingToQuantizeError(op, found);
}

function noLinear({ nodes }: Graph): string {
  const found = `no linear was found among ${count(nodes.size, 'node')}`;
  const wanted = 'a product of what comes in with a constant float32 matrix';
  const wayOut =
    'Load the model that holds the transformer; describeGraph(model) lists what is found.';
  return `${found}: none is ${wanted}. ${wayOut}`;
}

const SHOWN = 3;

function withoutRole(linears: readonly PlacedLinear[]): string {
  const some = linears.slice(0, SHOWN).map(({ linear, reason }) => {
    return `${JSON.stringify(linear.name)} (${reason})`;
  });
  const names = some.join(', ') + (linears.length > SHOWN ? ', …' : '');
  const found = `${count(linears.length, 'linear')} found, none with a role in a transformer`;
  const wayOut =
    "rules: [{ treatment: 'weightOnly' }], or 'transform', quantizes them all the same";
  return `${found}: ${names}. ${wayOut}; describeGraph(model) lists them.`;
}

/** `1 linear`, `2 linears`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
