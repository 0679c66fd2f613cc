import { attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { optionalInputs } from '../graph/optionalInputs.js';
import type { Match, Pass } from '../recognize/normalize/engine.js';
import type { ShapedView } from '../shapes/view.js';
import { matchNorms, type NormMatch, otherInput } from './normMatch.js';

/** A norm with what is multiplied and added behind it. */
interface ModulatedNorm extends Match, Pick<NormMatch, 'x' | 'epsilon' | 'center'> {
  readonly d: number;
  readonly gamma: Vector | null;
  readonly beta: Vector | null;
  readonly factor: Ref | null;
  readonly shift: Ref | null;
}

/** A constant of d channels, to be reshaped where it has leading axes. */
interface Vector {
  readonly ref: Ref;
  readonly isFlat: boolean;
}

/**
 * Mean, SquaredDifference, Rsqrt, … → (· gamma → + beta) → (· factor → + shift) ⇒
 * ModulatedLayerNorm
 */
export const normPass: Pass<ModulatedNorm> = {
  name: 'norms',

  match: (view) =>
    view
      .nodes('Rsqrt', 'Sqrt', 'Pow')
      .flatMap((root) => matchNorms(view, root))
      .flatMap((match) => matchAt(view, match) ?? []),

  replace(builder, { at, x, d, epsilon, center, gamma, beta, factor, shift }) {
    const { inputs, flags } = optionalInputs({
      hasGamma: gamma && emitVector(builder, `${at}/gamma`, gamma, d),
      hasBeta: beta && emitVector(builder, `${at}/beta`, beta, d),
      hasFactor: factor,
      hasShift: shift,
    });
    const attrs = { ...flags, epsilon: attr.float(epsilon), center: attr.bool(center) };
    builder.node('ModulatedLayerNorm', at, [x, ...inputs], attrs, at);
  },
};

function emitVector(builder: GraphBuilder, name: string, { ref, isFlat }: Vector, d: number): Ref {
  if (isFlat) return ref;
  return builder.node('Reshape', name, [ref, builder.integers(`${name}/shape`, [d])]);
}

/** What the op is told beside x, as far as it was found. */
interface Parts {
  gamma: Ref | null;
  beta: Ref | null;
  factor: Ref | null;
  shift: Ref | null;
}

function matchAt(view: ShapedView, match: NormMatch): ModulatedNorm | null {
  const { x, epsilon, center } = match;
  const d = view.shapeOf(x)?.at(-1) ?? -1;
  const parts: Parts = { gamma: match.gamma, beta: match.beta, factor: null, shift: null };
  const vectors = [parts.gamma, parts.beta].every((ref) => ref === null || isVector(view, ref, d));
  if (!vectors) return null;
  const { at, inside } = absorb(view, match, d, parts);
  const gamma = vectorOf(view, parts.gamma);
  const beta = vectorOf(view, parts.beta);
  return { at, replaced: [at, ...inside], x, d, epsilon, center, ...parts, gamma, beta };
}

function vectorOf(view: ShapedView, ref: Ref | null): Vector | null {
  return ref === null ? null : { ref, isFlat: view.constant(ref)!.shape.length === 1 };
}

/** Takes in what follows, step by step, where nothing else reads what is in between. */
function absorb(
  view: ShapedView,
  match: NormMatch,
  d: number,
  parts: Parts,
): { at: string; inside: string[] } {
  const inside: string[] = [];
  let at = match.at.name;
  for (;;) {
    const reader = view.onlyReader(at);
    const other = reader === null ? null : otherInput(reader, at);
    const slot = other === null ? null : slotFor(view, reader!, other, d, match.x, parts);
    if (slot === null) return { at, inside };
    parts[slot] = other;
    inside.push(at);
    at = reader!.name;
  }
}

/** Which part of the op an operand is, in its order: gamma, beta, factor, shift. */
function slotFor(
  view: ShapedView,
  { op }: GraphNode,
  other: Ref,
  d: number,
  x: Ref,
  { gamma, beta, factor, shift }: Parts,
): keyof Parts | null {
  if (shift !== null || d < 1) return null;
  const isProduct = op === 'Mul';
  if (!isProduct && !/^Add(V2)?$/.test(op)) return null;
  const isPlain = factor === null && isVector(view, other, d);
  if (isPlain && isProduct && gamma === null && beta === null) return 'gamma';
  if (isPlain && !isProduct && beta === null) return 'beta';
  if (!isRow(view, other, d, x)) return null;
  if (!isProduct) return 'shift';
  return factor === null ? 'factor' : null;
}

/** A row of channels for many tokens: [samples, 1, d]. */
function isRow({ shapeOf }: ShapedView, ref: Ref, d: number, x: Ref): boolean {
  const [shape, whole] = [shapeOf(ref), shapeOf(x)];
  if (shape === null || whole === null || shape.length !== whole.length) return false;
  return shape.length > 1 && shape.at(-2) === 1 && shape.at(-1) === d;
}

/** A constant of d channels, leading ones allowed. */
function isVector(view: ShapedView, ref: Ref, d: number): boolean {
  const constant = view.constant(ref);
  if (constant === null || constant.dtype !== 'float32') return false;
  if (constant.shape.at(-1) !== d) return false;
  return constant.shape.slice(0, -1).every((dim) => dim === 1);
}
