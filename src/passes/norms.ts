import { attr } from '../graph/attrs.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { matchNorms, type NormMatch, otherInput } from './normMatch.js';
import type { FuseContext, Pass, Replacement } from './pass.js';

/**
 * Mean, SquaredDifference, Rsqrt, … → (· gamma → + beta) → (· factor → + shift) ⇒
 * ModulatedLayerNorm
 */
export const normPass: Pass = {
  name: 'norms',
  find: (context) =>
    [...context.graph.nodes.values()]
      .filter(({ op }) => op === 'Rsqrt' || op === 'Sqrt' || op === 'Pow')
      .flatMap((root) => matchNorms(context, root))
      .flatMap((match) => replaceNorm(context, match) ?? []),
};

/** What the op is told beside x. */
interface Parts {
  gamma: Ref | null;
  beta: Ref | null;
  factor: Ref | null;
  shift: Ref | null;
}

function replaceNorm(context: FuseContext, match: NormMatch): Replacement | null {
  const { builder, shapeOf } = context;
  const d = shapeOf(match.x)?.at(-1) ?? -1;
  const parts: Parts = { gamma: match.gamma, beta: match.beta, factor: null, shift: null };
  const vectors = [parts.gamma, parts.beta].every(
    (ref) => ref === null || isVector(context, ref, d),
  );
  if (!vectors) return null;
  const { at, inside } = absorb(context, match, d, parts);
  const rows = (name: string, ref: Ref | null) =>
    ref === null ? null : vector(context, `${at}/${name}`, ref, d);
  const given = {
    hasGamma: rows('gamma', parts.gamma),
    hasBeta: rows('beta', parts.beta),
    hasFactor: parts.factor,
    hasShift: parts.shift,
  };
  const inputs = [match.x, ...Object.values(given).filter((ref) => ref !== null)];
  const flags = Object.entries(given).map(([flag, ref]) => [flag, attr.bool(ref !== null)]);
  const attrs = {
    ...Object.fromEntries(flags),
    epsilon: attr.float(match.epsilon),
    center: attr.bool(match.center),
  };
  builder.node('ModulatedLayerNorm', at, inputs, attrs, at);
  return { at, inside, nodes: builder.take() };
}

/** Takes in what follows, step by step, where nothing else reads what is in between. */
function absorb(
  context: FuseContext,
  match: NormMatch,
  d: number,
  parts: Parts,
): { at: string; inside: string[] } {
  const inside: string[] = [];
  let at = match.at.name;
  for (;;) {
    const reader = context.onlyReader(at);
    const other = reader === null ? null : otherInput(reader, at);
    const slot = other === null ? null : slotFor(context, reader!, other, d, match.x, parts);
    if (slot === null) return { at, inside };
    parts[slot] = other;
    inside.push(at);
    at = reader!.name;
  }
}

/** Which part of the op an operand is, in its order: gamma, beta, factor, shift. */
function slotFor(
  context: FuseContext,
  { op }: GraphNode,
  other: Ref,
  d: number,
  x: Ref,
  { gamma, beta, factor, shift }: Parts,
): keyof Parts | null {
  if (shift !== null || d < 1) return null;
  const isProduct = op === 'Mul';
  if (!isProduct && !/^Add(V2)?$/.test(op)) return null;
  const isPlain = factor === null && isVector(context, other, d);
  if (isPlain && isProduct && gamma === null && beta === null) return 'gamma';
  if (isPlain && !isProduct && beta === null) return 'beta';
  if (!isRow(context, other, d, x)) return null;
  if (!isProduct) return 'shift';
  return factor === null ? 'factor' : null;
}

/** A row of channels for many tokens: [samples, 1, d]. */
function isRow({ shapeOf }: FuseContext, ref: Ref, d: number, x: Ref): boolean {
  const [shape, whole] = [shapeOf(ref), shapeOf(x)];
  if (shape === null || whole === null || shape.length !== whole.length) return false;
  return shape.length > 1 && shape.at(-2) === 1 && shape.at(-1) === d;
}

/** A constant of d channels, leading ones allowed. */
function isVector(context: FuseContext, ref: Ref, d: number): boolean {
  const view = context.constant(ref);
  if (view === null || view.dtype !== 'float32' || view.shape.at(-1) !== d) return false;
  return view.shape.slice(0, -1).every((dim) => dim === 1);
}

function vector(context: FuseContext, name: string, ref: Ref, d: number): Ref {
  const { builder } = context;
  if (context.constant(ref)!.shape.length === 1) return ref;
  return builder.node('Reshape', name, [ref, builder.integers(`${name}/shape`, [d])]);
}
