import { attr } from '../../graph/attrs.js';
import { ELLIPSIS, einsumOf } from '../../graph/einsum.js';
import type { GraphNode } from '../../graph/ir.js';
import type { ShapedView } from '../../shapes/view.js';
import type { Match, Pass } from './engine.js';

/** An Einsum with an ellipsis, each axis of which gets a label of its own. */
interface SpelledEinsum extends Match {
  readonly node: GraphNode;
  readonly equation: string;
}

/** `...i,ij->...j` ⇒ `ABi,ij->ABj`: tfjs has no ellipsis on any backend. */
export const ellipsisPass: Pass<SpelledEinsum> = {
  name: 'ellipses',

  match: (view) => view.nodes('Einsum').flatMap((node) => matchAt(view, node) ?? []),

  replace(builder, { at, node, equation }) {
    const attrs = { ...node.attrs, equation: attr.string(equation) };
    builder.node('Einsum', at, node.inputs, attrs, at);
  },
};

const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'];

function matchAt(view: ShapedView, node: GraphNode): SpelledEinsum | null {
  const { terms, output, labels, hasEllipsis } = einsumOf(node);
  if (!hasEllipsis || output === null || terms.length !== node.inputs.length) return null;
  const shapes = node.inputs.map((ref) => view.dimsOf(ref));
  const counts = terms.map((term, i) => {
    const named = term.filter((label) => label !== ELLIPSIS).length;
    return term.includes(ELLIPSIS) ? (shapes[i]?.length ?? Number.NaN) - named : 0;
  });
  const most = Math.max(...counts);
  const free = LETTERS.filter((letter) => !labels.includes(letter)).slice(0, most);
  if (!(free.length === most && counts.every((count) => count >= 0))) return null;
  // aligned at their ends, as in a broadcast
  const spelled = terms.map((term, i) => {
    return term.flatMap((label) => (label === ELLIPSIS ? free.slice(most - counts[i]!) : [label]));
  });
  const result = output.flatMap((label) => (label === ELLIPSIS ? free : [label]));
  if (free.some((letter) => !isOneLength(letter, spelled, shapes))) return null;
  const equation = `${spelled.map((term) => term.join('')).join()}->${result.join('')}`;
  return { at: node.name, replaced: [node.name], node, equation };
}

/** Labels do not broadcast: what an ellipsis stands for must have one length in all operands. */
function isOneLength(
  letter: string,
  terms: readonly (readonly string[])[],
  shapes: readonly (readonly unknown[] | null)[],
): boolean {
  const lengths = terms.flatMap((term, i) => {
    const axis = term.indexOf(letter);
    return axis < 0 ? [] : [shapes[i]![axis]];
  });
  return lengths.every((length) => length === lengths[0]);
}
