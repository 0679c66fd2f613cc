import { boolAttr } from '../graph/attrs.js';
import { canonical, type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import type { FuseContext } from './pass.js';

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
export function matchNorms(context: FuseContext, root: GraphNode): NormMatch[] {
  const power = powerOf(context, root);
  const spread = power === null ? null : spreadOf(context, root.inputs[0]!);
  if (spread === null) return [];
  const readers = context.readers(root.name);
  if (power === -0.5) return productsWith(context, root, spread, null);
  const divided = readers.flatMap((at): NormMatch[] => {
    const isQuotient = /^(Real)?Div$/.test(at.op) && reads(at, 1, root);
    return isQuotient && isOff(context, at.inputs[0]!, spread) ? [norm(spread, at)] : [];
  });
  const inverses = readers.filter(({ op }) => op === 'Reciprocal');
  return [...divided, ...inverses.flatMap((node) => productsWith(context, node, spread, null))];
}

/** ½ for a square root, −½ for one below 1; null for anything else. */
function powerOf(context: FuseContext, { op, inputs }: GraphNode): number | null {
  if (op === 'Sqrt') return 0.5;
  if (op === 'Rsqrt') return -0.5;
  const exponent = op === 'Pow' ? context.scalar(inputs[1]) : null;
  return exponent === 0.5 || exponent === -0.5 ? exponent : null;
}

/** mean(…²) + ε */
function spreadOf(context: FuseContext, guarded: Ref): Spread | null {
  const sum = context.node(guarded);
  if (sum === null || !/^Add(V2)?$/.test(sum.op)) return null;
  const at = context.scalar(sum.inputs[1]) === null ? 0 : 1;
  const epsilon = context.scalar(sum.inputs[at]);
  const squares = meanOf(context, sum.inputs[1 - at]!);
  if (epsilon === null || squares === null || !(epsilon >= 0)) return null;
  const node = context.node(squares);
  if (node?.op === 'SquaredDifference') {
    const [a, b] = node.inputs as [Ref, Ref];
    if (isMeanOf(context, b, a)) return { x: a, mean: b, epsilon };
    return isMeanOf(context, a, b) ? { x: b, mean: a, epsilon } : null;
  }
  const base = node === null ? null : squareRoot(context, node);
  if (base === null) return null;
  const off = context.node(base);
  const [x, mean] = off?.op === 'Sub' ? off.inputs : [];
  if (x !== undefined && isMeanOf(context, mean!, x)) return { x, mean: mean!, epsilon };
  return { x: base, mean: null, epsilon };
}

/** What a node squares, or null. */
function squareRoot(context: FuseContext, { op, inputs }: GraphNode): Ref | null {
  const [a, b] = inputs as [Ref, Ref];
  if (op === 'Square') return a;
  if (op === 'Mul' && canonical(a) === canonical(b)) return a;
  return op === 'Pow' && context.scalar(b) === 2 ? a : null;
}

/** What a node is the mean of over the last axis, which is kept; or null. */
function meanOf(context: FuseContext, ref: Ref): Ref | null {
  const node = context.node(ref);
  if (node === null) return null;
  if (IDENTITY.has(node.op)) return meanOf(context, node.inputs[0]!);
  if (node.op !== 'Mean' || !boolAttr(node.attrs, 'keep_dims')) return null;
  const axes = context.integers(node.inputs[1]);
  const [of] = node.inputs as [Ref];
  const last = (context.shapeOf(of)?.length ?? Number.NaN) - 1;
  return axes?.length === 1 && (axes[0] === -1 || axes[0] === last) ? of : null;
}

function isMeanOf(context: FuseContext, mean: Ref, x: Ref): boolean {
  const of = meanOf(context, mean);
  return of !== null && canonical(of) === canonical(x);
}

/** Whether a tensor is x without its mean; x itself where the mean is left in. */
function isOff(context: FuseContext, ref: Ref, { x, mean }: Spread): boolean {
  if (mean === null) return canonical(ref) === canonical(x);
  const node = context.node(ref);
  if (node?.op !== 'Sub' || canonical(node.inputs[0]!) !== canonical(x)) return false;
  return isMeanOf(context, node.inputs[1]!, x);
}

/** x · inverse, and with gamma multiplied into the inverse first. */
function productsWith(
  context: FuseContext,
  inverse: GraphNode,
  spread: Spread,
  gamma: Ref | null,
): NormMatch[] {
  const products = context.readers(inverse.name).filter(({ op }) => op === 'Mul');
  return products.flatMap((at): NormMatch[] => {
    const other = otherInput(at, inverse.name);
    if (other === null) return [];
    if (isOff(context, other, spread)) return [norm(spread, at, gamma)];
    if (gamma === null && context.constant(other) !== null) {
      return productsWith(context, at, spread, other);
    }
    const folded =
      canonical(other) === canonical(spread.x) ? foldedMean(context, at, inverse, spread) : null;
    return folded === null ? [] : [norm(spread, folded.at, gamma, folded.beta)];
  });
}

/** x · inverse + (beta − mean · inverse), as Keras writes it, or x · inverse − mean · inverse. */
function foldedMean(
  context: FuseContext,
  product: GraphNode,
  inverse: GraphNode,
  { x }: Spread,
): { at: GraphNode; beta: Ref | null } | null {
  const at = context.onlyReader(product.name);
  const other = at === null ? null : otherInput(at, product.name);
  if (at === null || other === null) return null;
  const isMeanPart = (ref: Ref | undefined) => {
    const node = context.node(ref);
    const mean = node?.op === 'Mul' ? otherInput(node, inverse.name) : null;
    return mean !== null && isMeanOf(context, mean, x);
  };
  if (at.op === 'Sub')
    return reads(at, 0, product) && isMeanPart(other) ? { at, beta: null } : null;
  const rest = context.node(other);
  if (!/^Add(V2)?$/.test(at.op) || rest?.op !== 'Sub' || !isMeanPart(rest.inputs[1])) return null;
  const beta = rest.inputs[0]!;
  return context.constant(beta) === null ? null : { at, beta };
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
