import { dataRefs } from '../graph/dataRefs.js';
import { einsumOf } from '../graph/einsum.js';
import { type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { BINARY, IDENTITY, PRODUCTS, SHAPING, SLICING } from '../graph/opSets.js';
import type { DataFlow } from './dataFlow.js';
import type { Linear } from './linears.js';
import type { Placements } from './placement.js';
import type { Role } from './role.js';

/*
 * Attentions and norms are recognized twice, on purpose: here and in modulations.ts for the roles
 * of linears, where anything on the way that keeps the meaning will do, and in passes, by
 * attentionMatch.ts and normMatch.ts, for fusion, which must know each step exactly to compute the
 * same. What fusion cannot match has a role nevertheless.
 */

/** softmax(scores) values: the two products around a softmax, or the op that fuses them. */
export interface Attention {
  /** The softmax, or the fused op. */
  readonly softmax: string;
  readonly q: readonly Linear[];
  readonly k: readonly Linear[];
  readonly v: readonly Linear[];
  readonly out: readonly Linear[];
}

const FUSED = 'ScaledDotProductAttention';

type Kind = 'attention' | 'crossAttention' | 'jointAttention';

const isProduct = ({ op }: GraphNode) => PRODUCTS.has(op);

/**
 * From scores to softmax, and from there to the values: scaling, masking, capping, changing shape.
 */
const onScores = ({ op }: GraphNode) =>
  BINARY.has(op) ||
  SHAPING.has(op) ||
  IDENTITY.has(op) ||
  ['Cast', 'SelectV2', 'Select', 'Tanh', 'ClipByValue'].includes(op);

/** From attention to the linear behind it: a residual addition ends the way. */
const behindAttention = (node: GraphNode) =>
  SHAPING.has(node.op) ||
  IDENTITY.has(node.op) ||
  SLICING.has(node.op) ||
  ['Cast', 'ConcatV2', 'Pack', 'Mul', 'FakeQuant'].includes(node.op);

/**
 * From a projection to the scores: norms, rotary embeddings, splits. Angles have projections of
 * their own.
 */
const behindProjection = (node: GraphNode) =>
  !isProduct(node) && !['Softmax', 'Sin', 'Cos', FUSED].includes(node.op);

/**
 * Every softmax of a product of two computed tensors that is multiplied with a third, and every
 * fused attention.
 */
export function findAttentions(flow: DataFlow): Attention[] {
  return flow.view.nodes('Softmax', FUSED).flatMap((node) => {
    if (node.op === 'Softmax') return aroundSoftmax(flow, node) ?? [];
    const sides = node.inputs.slice(0, 3).map((ref) => [ref]);
    return around(flow, node, sides, [node]);
  });
}

function aroundSoftmax(flow: DataFlow, softmax: GraphNode): Attention | null {
  const scores = scoreProduct(flow, softmax.inputs[0]!);
  if (scores === null) return null;
  const mixing = flow
    .forward(softmax.name, onScores, isProduct)
    .filter(({ name }) => !flow.linears.byNode.has(name));
  if (mixing.length === 0) return null;
  const [query, key] = queryAndKey(scores);
  const probabilities = downstream(flow, softmax.name);
  const values = mixing.flatMap(({ inputs }) =>
    inputs.filter((ref) => !probabilities.has(nodeOf(ref))),
  );
  return around(flow, softmax, [[query], [key], values], mixing);
}

/** The linears that queries, keys and values come from, and those that read what `ends` give. */
function around(
  flow: DataFlow,
  { name }: GraphNode,
  sides: readonly (readonly Ref[])[],
  ends: readonly GraphNode[],
): Attention {
  const found = sides.map((refs) => projections(flow, refs));
  const [q, k, v] = withoutSources(flow, found) as [Linear[], Linear[], Linear[]];
  const out = [...new Set(ends.flatMap((end) => firstLinears(flow, end.name)))];
  return { softmax: name, q, k, v, out };
}

/** Gives the linears around a softmax their roles; a fused one has several parts. */
export function placeAttention(flow: DataFlow, placements: Placements, attention: Attention): void {
  const { softmax, q, k, v, out } = attention;
  const kind = attentionKind(flow, attention);
  const place = (linear: Linear, role: Role, what: string) => {
    if (placements.has(linear)) return;
    placements.set(linear, { role, reason: `${what} of the softmax ${JSON.stringify(softmax)}` });
  };
  for (const linear of new Set([...q, ...k, ...v])) {
    const parts = (['q', 'k', 'v'] as const).filter((part) => attention[part].includes(linear));
    place(linear, attentionRole(kind, parts.join('')), `feeds ${parts.join(', ')}`);
  }
  for (const linear of out) place(linear, `${kind}.out`, 'reads the values');
}

/** The product whose softmax is taken, both of its operands computed. */
function scoreProduct(flow: DataFlow, ref: Ref): GraphNode | null {
  const seen = new Set<string>();
  const open = [nodeOf(ref)];
  // in the order of the inputs: a mask comes second
  for (let name = open.shift(); name !== undefined; name = open.shift()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const node = flow.view.producer(name);
    if (node === null || flow.linears.byNode.has(name)) continue;
    if (isProduct(node)) return node;
    if (onScores(node)) open.push(...dataRefs(node).map(nodeOf));
  }
  return null;
}

/** Keys run along the last axis of the scores, over which the softmax goes. */
function queryAndKey(node: GraphNode): [Ref, Ref] {
  const [first, second] = node.inputs as [Ref, Ref];
  if (node.op !== 'Einsum') return [first, second];
  const { terms, output } = einsumOf(node);
  const keys = output?.at(-1) ?? '';
  return terms[0]?.includes(keys) ? [second, first] : [first, second];
}

/** A softmax and what is made of it on the way to the values. */
function downstream(flow: DataFlow, softmax: string): ReadonlySet<string> {
  const met = new Set([softmax]);
  flow.forward(softmax, onScores, (node) => {
    if (onScores(node)) met.add(node.name);
    return false;
  });
  return met;
}

/**
 * The linears behind one side of an attention, side by side. Where one reads another, none is a
 * projection.
 */
function projections(flow: DataFlow, refs: readonly Ref[]): Linear[] {
  const found = [...new Set(refs.flatMap((ref) => flow.back(ref, behindProjection).linears))];
  if (found.length < 2) return found;
  const chained = found.some((linear) => {
    const upstream = flow.ancestors(linear.input);
    return found.some((other) => other !== linear && upstream.has(other.name));
  });
  return chained ? [] : found;
}

/**
 * Drops what another side's projection reads: tokens that are attended to as they are have no
 * projection.
 */
function withoutSources(flow: DataFlow, sides: readonly Linear[][]): Linear[][] {
  const sources = new Set(
    [...new Set(sides.flat())].flatMap(({ input }) => flow.back(input, behindProjection).linears),
  );
  return sides.map((side) => side.filter((linear) => !sources.has(linear)));
}

function firstLinears(flow: DataFlow, from: string): Linear[] {
  const isLinear = (node: GraphNode) => flow.linears.byNode.has(node.name);
  return flow
    .forward(from, behindAttention, isLinear)
    .map(({ name }) => flow.linears.byNode.get(name)!);
}

/** Joint: several streams are concatenated. Cross: queries and keys come from different tensors. */
function attentionKind(flow: DataFlow, { q, k }: Attention): Kind {
  if (q.length > 1 && k.length > 1) return 'jointAttention';
  const roots = new Set(q.map(({ input }) => flow.root(input)));
  const shared = k.some((linear) => q.includes(linear) || roots.has(flow.root(linear.input)));
  return shared || q.length === 0 || k.length === 0 ? 'attention' : 'crossAttention';
}

function attentionRole(kind: Kind, parts: string): Role {
  switch (parts) {
    case 'q':
      return `${kind}.q`;
    case 'k':
      return `${kind}.k`;
    case 'v':
      return `${kind}.v`;
    case 'kv':
      return kind === 'jointAttention' ? 'jointAttention.qkv' : `${kind}.kv`;
    default:
      return kind === 'crossAttention' ? 'crossAttention.kv' : `${kind}.qkv`;
  }
}
