import { boolAttr } from '../graph/attrs.js';
import { canonical, type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import type { ShapedView } from '../shapes/view.js';

// Stricter than recognize/modulations.ts, which finds modulated norms for the roles of linears, and
// kept apart from it on purpose: what is fused must compute the same, a role has only to be right.

/**
 * x normalized over its last axis, as it was found: `at` is the node whose value it is, gamma and
 * beta within it.
 */
export interface NormMatch {
  readonly x: Ref;
  readonly epsilon: number;
  /** False: RMSNorm. */
  readonly center: boolean;
  readonly at: GraphNode;
  readonly gamma: Ref | null;
  readonly beta: Ref | null;
}

/** What a root is taken of: the variance of x, or where there is no mean its mean square. */
interface Spread {
  readonly x: Ref;
  readonly mean: Ref | null;
  readonly epsilon: number;
}

/**
 * Every normalized tensor that is made with a root: x / sqrt(…), x · rsqrt(…), in any of the ways
 * to write them.
 */
export function matchNorms(view: ShapedView, root: GraphNode): NormMatch[] {
  const power = powerOf(view, root);
  const spread = power === null ? null : spreadOf(view, root.inputs[0]!);
  if (spread === null) return [];
  const readers = view.readers(root.name);
  if (power === -0.5) return productsWith(view, root, spread, null);
  const divided = readers.flatMap((at): NormMatch[] => {
    const isQuotient = /^(Real)?Div$/.test(at.op) && reads(at, 1, root);
    return isQuotient && isOff(view, at.inputs[0]!, spread) ? [norm(spread, at)] : [];
  });
  const inverses = readers.filter(({ op }) => op === 'Reciprocal');
  return [...divided, ...inverses.flatMap((node) => productsWith(view, node, spread, null))];
}

/** ½ for a square root, −½ for one below 1; null for anything else. */
function powerOf(view: ShapedView, { op, inputs }: GraphNode): number | null {
  if (op === 'Sqrt') return 0.5;
  if (op === 'Rsqrt') return -0.5;
  const exponent = op === 'Pow' ? view.scalar(inputs[1]) : null;
  return exponent === 0.5 || exponent === -0.5 ? exponent : null;
}

/** mean(…²) + ε */
function spreadOf(view: ShapedView, guarded: Ref): Spread | null {
  const sum = view.node(guarded);
  if (sum === null || !/^Add(V2)?$/.test(sum.op)) return null;
  const at = view.scalar(sum.inputs[1]) === null ? 0 : 1;
  const epsilon = view.scalar(sum.inputs[at]);
  const squares = meanOf(view, sum.inputs[1 - at]!);
  if (epsilon === null || squares === null || !(epsilon >= 0)) return null;
  const node = view.node(squares);
  if (node?.op === 'SquaredDifference') {
    const [a, b] = node.inputs as [Ref, Ref];
    if (isMeanOf(view, b, a)) return { x: a, mean: b, epsilon };
    return isMeanOf(view, a, b) ? { x: b, mean: a, epsilon } : null;
  }
  const base = node === null ? null : squareRoot(view, node);
  if (base === null) return null;
  const off = view.node(base);
  const [x, mean] = off?.op === 'Sub' ? off.inputs : [];
  if (x !== undefined && isMeanOf(view, mean!, x)) return { x, mean: mean!, epsilon };
  return { x: base, mean: null, epsilon };
}

/** What a node squares, or null. */
function squareRoot(view: ShapedView, { op, inputs }: GraphNode): Ref | null {
  const [a, b] = inputs as [Ref, Ref];
  if (op === 'Square') return a;
  if (op === 'Mul' && canonical(a) === canonical(b)) return a;
  return op === 'Pow' && view.scalar(b) === 2 ? a : null;
}

/** What a node is the mean of over the last axis, which is kept; or null. */
function meanOf(view: ShapedView, ref: Ref): Ref | null {
  const node = view.node(ref);
  if (node === null) return null;
  if (IDENTITY.has(node.op)) return meanOf(view, node.inputs[0]!);
  if (node.op !== 'Mean' || !boolAttr(node.attrs, 'keep_dims')) return null;
  const axes = view.integers(node.inputs[1]);
  const [of] = node.inputs as [Ref];
  const last = (view.shapeOf(of)?.length ?? Number.NaN) - 1;
  return axes?.length === 1 && (axes[0] === -1 || axes[0] === last) ? of : null;
}

function isMeanOf(view: ShapedView, mean: Ref, x: Ref): boolean {
  const of = meanOf(view, mean);
  return of !== null && canonical(of) === canonical(x);
}

/** Whether a tensor is x without its mean; x itself where the mean is left in. */
function isOff(view: ShapedView, ref: Ref, { x, mean }: Spread): boolean {
  if (mean === null) return canonical(ref) === canonical(x);
  const node = view.node(ref);
  if (node?.op !== 'Sub' || canonical(node.inputs[0]!) !== canonical(x)) return false;
  return isMeanOf(view, node.inputs[1]!, x);
}

/** x · inverse, and with gamma multiplied into the inverse first. */
function productsWith(
  view: ShapedView,
  inverse: GraphNode,
  spread: Spread,
  gamma: Ref | null,
): NormMatch[] {
  const products = view.readers(inverse.name).filter(({ op }) => op === 'Mul');
  return products.flatMap((at): NormMatch[] => {
    const other = otherInput(at, inverse.name);
    if (other === null) return [];
    if (isOff(view, other, spread)) return [norm(spread, at, gamma)];
    if (gamma === null && view.constant(other) !== null) {
      return productsWith(view, at, spread, other);
    }
    const folded =
      canonical(other) === canonical(spread.x) ? foldedMean(view, at, inverse, spread) : null;
    return folded === null ? [] : [norm(spread, folded.at, gamma, folded.beta)];
  });
}

/**
 * x · inverse + (beta − mean · inverse), as Keras writes it, and without beta x · inverse −
 * mean · inverse or x · inverse + (−mean) · inverse, as TensorFlow's batch_normalization does.
 */
function foldedMean(
  view: ShapedView,
  product: GraphNode,
  inverse: GraphNode,
  { x }: Spread,
): { at: GraphNode; beta: Ref | null } | null {
  const at = view.onlyReader(product.name);
  const other = at === null ? null : otherInput(at, product.name);
  if (at === null || other === null) return null;
  const isMeanPart = (ref: Ref | undefined) => {
    const node = view.node(ref);
    const mean = node?.op === 'Mul' ? otherInput(node, inverse.name) : null;
    return mean !== null && isMeanOf(view, mean, x);
  };
  if (at.op === 'Sub')
    return reads(at, 0, product) && isMeanPart(other) ? { at, beta: null } : null;
  const rest = view.node(other);
  if (!/^Add(V2)?$/.test(at.op) || rest === null) return null;
  if (isNegatedMean(view, rest, inverse, x)) return { at, beta: null };
  if (rest.op !== 'Sub' || !isMeanPart(rest.inputs[1])) return null;
  const beta = rest.inputs[0]!;
  return view.constant(beta) === null ? null : { at, beta };
}

/** Whether a node is (−mean) · inverse. */
function isNegatedMean(view: ShapedView, node: GraphNode, inverse: GraphNode, x: Ref): boolean {
  const negated = node.op === 'Mul' ? view.node(otherInput(node, inverse.name) ?? undefined) : null;
  return negated?.op === 'Neg' && isMeanOf(view, negated.inputs[0]!, x);
}

function norm(
  { x, mean, epsilon }: Spread,
  at: GraphNode,
  gamma: Ref | null = null,
  beta: Ref | null = null,
): NormMatch {
  return { x, epsilon, center: mean !== null, at, gamma, beta };
}

function reads({ inputs }: GraphNode, at: number, node: GraphNode): boolean {
  return inputs[at] !== undefined && canonical(inputs[at]) === node.name;
}

/** The other operand of a node that reads `name` once; null where it reads it twice. */
export function otherInput({ inputs }: GraphNode, name: string): Ref | null {
  const [a, b] = inputs;
  if (inputs.length !== 2 || a === undefined || b === undefined) return null;
  if (canonical(a) === name) return nodeOf(b) === name ? null : b;
  return canonical(b) === name ? a : null;
}
