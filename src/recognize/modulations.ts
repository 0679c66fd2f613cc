import { dataRefs } from '../graph/dataRefs.js';
import { type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { IDENTITY, SHAPING, SLICING, SUMS } from '../graph/opSets.js';
import type { DataFlow } from './dataFlow.js';
import type { Linear } from './linears.js';
import type { Placements } from './placement.js';

// More permissive than passes/normMatch.ts, on purpose: see attentions.ts.

/**
 * Sums and products between a normalized tensor and where it is modulated: gamma, beta, 1 + scale,
 * shift.
 */
const MAX_DEPTH = 6;

/**
 * adaLN: a linear on one row per sample, a part of which scales or shifts a normalized tensor, or
 * gates a branch.
 */
export function placeModulations(
  flow: DataFlow,
  placements: Placements,
  oneRow: (linear: Linear) => boolean,
): void {
  for (const linear of flow.linears.list) {
    if (placements.has(linear) || !oneRow(linear)) continue;
    const reasons: string[] = [];
    flow.forward(linear.name, onModulation(flow), (node, via) => {
      if (node.op === 'ModulatedLayerNorm' && nodeOf(node.inputs[0]!) !== via) {
        reasons.push(`modulates the norm ${JSON.stringify(node.name)}`);
        return true;
      }
      const others = dataRefs(node).filter((ref) => nodeOf(ref) !== via);
      const effect = others.map((ref) => effectOn(flow, node, ref, linear, oneRow)).find(Boolean);
      if (effect) reasons.push(`${effect} at ${JSON.stringify(node.name)}`);
      return Boolean(effect);
    });
    const [reason] = reasons;
    if (reason !== undefined) placements.set(linear, { role: 'modulation', reason });
  }
}

/** From a modulation linear to where its parts meet the tokens. */
const onModulation = (flow: DataFlow) => (node: GraphNode) =>
  SHAPING.has(node.op) ||
  IDENTITY.has(node.op) ||
  SLICING.has(node.op) ||
  ['Tanh', 'Sigmoid', 'Cast', 'ConcatV2'].includes(node.op) ||
  isSumWithConstant(flow, node) ||
  (node.op === 'Mul' && node.inputs.some((ref) => flow.isConstant(ref)));

/** What a part of a modulation does to the other operand of a node, or null. */
function effectOn(
  flow: DataFlow,
  node: GraphNode,
  other: Ref,
  linear: Linear,
  oneRow: (linear: Linear) => boolean,
): string | null {
  const isProduct = node.op === 'Mul';
  if (!isProduct && !SUMS.has(node.op)) return null;
  if (normalizes(flow, other, linear)) {
    return `${isProduct ? 'scales' : 'shifts'} the normalized tensor`;
  }
  if (!isProduct) return null;
  const near = flow.back(
    other,
    (n) => SHAPING.has(n.op) || IDENTITY.has(n.op) || isSumWithConstant(flow, n),
  );
  const isBranch = !near.blocked && near.linears.length > 0 && !near.linears.some(oneRow);
  return isBranch ? 'gates a branch' : null;
}

function isSumWithConstant(flow: DataFlow, { op, inputs }: GraphNode): boolean {
  return SUMS.has(op) && inputs.some((ref) => flow.isConstant(ref));
}

/**
 * Whether a tensor is x · rsqrt(…) or x / sqrt(…), possibly shifted, of something else than the
 * linear itself.
 */
function normalizes(flow: DataFlow, ref: Ref, linear: Linear, depth = 0): boolean {
  const node = flow.view.producer(ref);
  if (node === null || depth > MAX_DEPTH || flow.linears.byNode.has(node.name)) return false;
  if (node.op.startsWith('FusedBatchNorm')) return true;
  if (node.op === 'Mul' || node.op === 'RealDiv' || node.op === 'Div') {
    const roots = node.inputs.filter((input) => isRoot(flow, input));
    const others = node.inputs.filter((input) => !roots.includes(input));
    if (roots.length > 0) return others.length > 0 && !others.some((x) => isOwn(flow, x, linear));
  }
  const through =
    SHAPING.has(node.op) ||
    IDENTITY.has(node.op) ||
    SUMS.has(node.op) ||
    ['Mul', 'Sub', 'Cast'].includes(node.op);
  return through && dataRefs(node).some((input) => normalizes(flow, input, linear, depth + 1));
}

/** Whether it is the linear itself that is normalized. */
function isOwn(flow: DataFlow, ref: Ref, linear: Linear): boolean {
  const passes = (n: GraphNode) => n.op === 'Sub' || SHAPING.has(n.op) || IDENTITY.has(n.op);
  return flow.back(ref, passes).linears.includes(linear);
}

/**
 * Whether a tensor is a root, or one over it: Sqrt, Rsqrt or Pow by ±½, possibly times gamma, as
 * Keras folds it.
 */
function isRoot(flow: DataFlow, ref: Ref): boolean {
  const node = flow.view.producer(ref);
  if (node === null) return false;
  if (node.op === 'Rsqrt' || node.op === 'Sqrt') return true;
  if (node.op === 'Pow') {
    return Math.abs(flow.view.scalar(node.inputs[1]) ?? 0) === 0.5;
  }
  const folded = node.op === 'Mul' && node.inputs.some((input) => flow.isConstant(input));
  const through = folded || ['Reciprocal', 'Cast'].includes(node.op);
  if (!through && !IDENTITY.has(node.op) && !SHAPING.has(node.op)) return false;
  return dataRefs(node).some((input) => !flow.isConstant(input) && isRoot(flow, input));
}
