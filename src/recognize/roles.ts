import type { GraphNode } from '../graph/ir.js';
import { IDENTITY, SHAPING, SLICING, SUMS } from '../graph/opSets.js';
import { findAttentions, placeAttention } from './attentions.js';
import type { DataFlow } from './dataFlow.js';
import type { Linear } from './linears.js';
import { placeMlps } from './mlps.js';
import { placeModulations } from './modulations.js';
import type { Placements } from './placement.js';

export type { Placement } from './placement.js';

/**
 * Gives each linear its role, by data flow alone.
 *
 * @param oneRow Whether a linear reads one row per sample, as the conditioning path of a DiT does.
 */
export function findRoles(flow: DataFlow, oneRow: (linear: Linear) => boolean): Placements {
  const placements: Placements = new Map();
  const attentions = findAttentions(flow);
  const softmaxes = new Set(attentions.map(({ softmax }) => softmax));
  if (softmaxes.size > 0) {
    placeFrequencies(flow, placements);
    for (const attention of attentions) placeAttention(flow, placements, attention);
    placeModulations(flow, placements, oneRow);
    placeMlps(flow, placements, softmaxes);
    placeEnds(flow, placements, softmaxes);
  }
  const reason =
    softmaxes.size === 0 ? 'the graph has no attention' : 'fits no pattern of a transformer';
  for (const linear of flow.linears.list) {
    if (!placements.has(linear)) placements.set(linear, { role: 'other', reason });
  }
  return placements;
}

/**
 * Times and positions on their way to a sine or cosine are no activations: 8 bits would leave
 * nothing of their angle.
 */
function placeFrequencies(flow: DataFlow, placements: Placements): void {
  const scales = (node: GraphNode) =>
    SHAPING.has(node.op) ||
    IDENTITY.has(node.op) ||
    SLICING.has(node.op) ||
    node.op === 'ConcatV2' ||
    ((SUMS.has(node.op) || node.op === 'Mul') && node.inputs.some((ref) => flow.isConstant(ref)));
  for (const linear of flow.linears.list) {
    const [wave] = flow.forward(linear.name, scales, ({ op }) => op === 'Sin' || op === 'Cos');
    if (wave === undefined) continue;
    const reason = `gives the angles of ${JSON.stringify(wave.name)}`;
    placements.set(linear, { role: 'other', reason });
  }
}

/**
 * What is left before the first attention embeds inputs; what no linear follows is the final layer.
 */
function placeEnds(flow: DataFlow, placements: Placements, softmaxes: ReadonlySet<string>): void {
  const readBy = new Set<Linear>();
  const upstreamOf = new Map(
    flow.linears.list.map((linear) => [linear, flow.ancestors(linear.input)]),
  );
  for (const upstream of upstreamOf.values()) {
    for (const name of upstream) {
      const earlier = flow.linears.byNode.get(name);
      if (earlier !== undefined) readBy.add(earlier);
    }
  }
  for (const [linear, upstream] of upstreamOf) {
    if (placements.has(linear)) continue;
    const behind = [...softmaxes].some((name) => upstream.has(name));
    if (!behind && readBy.has(linear)) {
      placements.set(linear, { role: 'embedding', reason: 'before the first attention' });
    } else if (behind && !readBy.has(linear)) {
      placements.set(linear, { role: 'final', reason: 'no linear reads what it gives' });
    }
  }
}
