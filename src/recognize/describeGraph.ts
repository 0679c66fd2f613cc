import type { GraphModel } from '@tensorflow/tfjs-converter';
import { graphOfModel } from '../graph/model.js';
import { groupBy } from '../math/groups.js';
import { type AnyModel, withGiven } from '../trace/given.js';
import { analyze } from './analysis.js';
import { inColumns } from './columns.js';
import { inNormalForm } from './normalize/normalize.js';
import type { OtherProduct } from './otherProducts.js';
import type { Role } from './role.js';
import { SiteMaskFinder } from './siteMasks.js';
import { maskText } from './tokenMask.js';

/** One linear that was found in a graph. */
export interface DescribedLinear {
  readonly name: string;
  readonly role: Role;
  /** By what the role was seen. */
  readonly reason: string;
  /** The op as it is written, with the equation of an Einsum. */
  readonly form: string;
  readonly shape: readonly [d: number, n: number];
  readonly hasBias: boolean;
  /** The tensor that a transform would go behind; linears with the same one share it. */
  readonly site: string;
  /**
   * Whether several tokens of one sample go through it together: without them there is no mean to
   * take out.
   */
  readonly tokens: boolean;
  /**
   * Which of them count, where an attention of the model hides some: the tensors that do. Null
   * where all count.
   */
  readonly tokenMask: string | null;
}

/** What `describeGraph` found. */
export interface GraphDescription {
  readonly linears: readonly DescribedLinear[];
  /** Products with a constant that cannot be quantized, and those inside of functions; and why. */
  readonly others: readonly OtherProduct[];
  /** Where it cannot be told which tokens count, and why. */
  readonly notes: readonly string[];
  /** The same as a table, for people. */
  toString(): string;
}

/**
 * Finds the linears of a model, says what each is for and by what that was seen. Nothing goes by
 * names.
 *
 * A linear that fits no pattern has the role 'other'; `rewriteGraph` leaves it alone unless a rule
 * includes it.
 *
 * @param model A loaded `tf.GraphModel`; or a `tf.LayersModel`, converted as by `toGraphModel`.
 * @throws InvalidArgumentError for another model; TraceError where it cannot be converted.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { describeGraph } from 'tfjs-hadanorm';
 * import { tinyDit } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * console.log(`${describeGraph(model)}`);
 * ```
 */
export function describeGraph(model: AnyModel): GraphDescription {
  return withGiven('describeGraph', model, (graphModel) => described('describeGraph', graphModel));
}

function described(op: string, model: GraphModel): GraphDescription {
  const { linears, others, masks, notes } = inNormalForm(op, graphOfModel(op, model), (graph) => {
    const analysis = analyze(graph);
    return { ...analysis, ...new SiteMaskFinder(analysis).find() };
  });
  const textOf = (key: string) => {
    const mask = masks.get(key);
    return mask === undefined ? null : maskText(mask);
  };
  const list = linears.map(
    ({ linear, site, key, role, reason }): DescribedLinear => ({
      name: linear.name,
      role,
      reason,
      form: linear.form,
      shape: [linear.d, linear.n],
      hasBias: linear.bias !== null,
      site: key,
      tokens: site.tokens !== 'none',
      tokenMask: textOf(key),
    }),
  );
  const text = () =>
    [describedTable(list), ...othersTable(others), ...masksText(list), ...notes].join('\n');
  return { linears: list, others, notes, toString: text };
}

function describedTable(linears: readonly DescribedLinear[]): string {
  if (linears.length === 0) return 'No linears: no product with a constant matrix.';
  return inColumns(
    ['linear', 'role', 'd → n', 'written as', 'reads', 'why'],
    linears.map(({ name, role, shape, form, site, reason }) => [
      name,
      role,
      shape.join(' → '),
      form,
      site,
      reason,
    ]),
  );
}

/** Which sites do not have all tokens count. */
function masksText(linears: readonly DescribedLinear[]): string[] {
  const masked = linears.filter(({ tokenMask }) => tokenMask !== null);
  const sites = [...groupBy(masked, ({ tokenMask }) => tokenMask!)];
  return sites.map(([mask, some]) => {
    const names = [...new Set(some.map(({ site }) => site))].join(', ');
    return `Tokens count where ${mask}: of ${names}`;
  });
}

function othersTable(others: readonly OtherProduct[]): string[] {
  if (others.length === 0) return [];
  const rows = others.map(({ name, form, reason }) => [name, form, reason]);
  return ['', inColumns(['no linear', 'written as', 'why'], rows)];
}
