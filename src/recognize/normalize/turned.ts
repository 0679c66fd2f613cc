import { attr } from '../../graph/attrs.js';
import { plainEinsum } from '../../graph/einsum.js';
import type { GraphNode, Ref } from '../../graph/ir.js';
import type { ShapedView } from '../../shapes/view.js';
import type { Match, Pass } from './engine.js';

/** Marks a product whose one reader gives its axes the order that the original had. */
export const TURNED_ATTR = '_hadanormTurned';

/** An Einsum x · W whose summed axes are not the last of x, or W's own not the last of y. */
interface TurnedProduct extends Match {
  readonly x: Ref;
  readonly w: Ref;
  /** Of the product in its plain form: `…K,KN->…N`. */
  readonly equation: string;
  /** Null: as they are. */
  readonly inputOrder: readonly number[] | null;
  readonly outputOrder: readonly number[] | null;
}

/** Einsum with constant weights ⇒ (Transpose →) Einsum, channels last (→ Transpose) */
export const turnedPass: Pass<TurnedProduct> = {
  name: 'turned products',

  match: (view) => view.nodes('Einsum').flatMap((node) => matchAt(view, node) ?? []),

  replace(builder, { at, x, w, equation, inputOrder, outputOrder }) {
    const turn = (name: string, from: Ref, order: readonly number[], replaced?: string) => {
      const perm = builder.integers(`${name}/order`, order);
      return builder.node('Transpose', name, [from, perm], {}, replaced);
    };
    const input = inputOrder === null ? x : turn(`${at}/x`, x, inputOrder);
    const mark = outputOrder === null ? {} : { [TURNED_ATTR]: attr.bool(true) };
    const attrs = { equation: attr.string(equation), N: attr.int(2), ...mark };
    const end = outputOrder === null ? at : null;
    const product = builder.node('Einsum', `${at}/product`, [input, w], attrs, end);
    if (outputOrder !== null) turn(at, product, outputOrder, at);
  },
};

function matchAt(view: ShapedView, { name, inputs, ...node }: GraphNode): TurnedProduct | null {
  const einsum = plainEinsum({ name, inputs, ...node });
  const constants = inputs.map((ref) => view.constant(ref));
  const at = constants[0] === null ? 1 : 0;
  if (einsum === null || constants[1 - at] !== null) return null;
  if (constants[at]?.dtype !== 'float32') return null;
  const { terms, output } = einsum;
  const [x, w] = [terms[1 - at]!, terms[at]!];
  const inner = w.filter((label) => x.includes(label) && !output.includes(label));
  const outer = output.filter((label) => w.includes(label) && !x.includes(label));
  const batch = output.filter((label) => !w.includes(label));
  const isProduct = inner.length > 0 && outer.length > 0;
  // an axis that both have and the result keeps is no product of matrices; one that is summed
  // within an operand is more than one
  if (!isProduct || inner.length + outer.length !== w.length) return null;
  if (batch.length + inner.length !== x.length) return null;
  // in the order of x as far as that goes: then nothing is moved there
  const summed = x.filter((label) => inner.includes(label));
  const rows = `${x.slice(batch.length)}` === `${summed}` ? x.slice(0, batch.length) : batch;
  const inputOrder = orderOf(x, [...rows, ...summed]);
  const outputOrder = orderOf([...rows, ...outer], output);
  if (inputOrder === null && outputOrder === null) return null;
  const [left, right] = [
    [...rows, ...summed],
    [...rows, ...outer],
  ].map((term) => term.join(''));
  const equation = `${left},${w.join('')}->${right}`;
  const refs = { x: inputs[1 - at]!, w: inputs[at]! };
  return { at: name, replaced: [name], ...refs, equation, inputOrder, outputOrder };
}

/** Where the wanted labels are; null where they are in this order already. */
function orderOf(labels: readonly string[], wanted: readonly string[]): number[] | null {
  const order = wanted.map((label) => labels.indexOf(label));
  return order.every((axis, i) => axis === i) ? null : order;
}
