import { stringAttr } from '../graph/attrs.js';
import { type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import {
  BINARY,
  IDENTITY,
  NONLINEARITIES,
  PRODUCTS,
  SHAPING,
  SLICING,
  SUMS,
  UNARY,
} from '../graph/opSets.js';
import type { Role } from '../metrics/report.js';
import type { Flow, Walk } from './flow.js';
import type { Linear } from './linears.js';

/** What a linear does, and by what that was seen. */
export interface Placement {
  readonly role: Role;
  readonly reason: string;
}

type Placements = Map<Linear, Placement>;

/** softmax(scores) values: the two products around a softmax. */
interface Attention {
  readonly softmax: string;
  readonly q: readonly Linear[];
  readonly k: readonly Linear[];
  readonly v: readonly Linear[];
  readonly out: readonly Linear[];
}

/**
 * Gives each linear its role, by data flow alone.
 *
 * @param oneRow Whether a linear reads one row per sample, as the conditioning path of a DiT does.
 */
export function findRoles(flow: Flow, oneRow: (linear: Linear) => boolean): Placements {
  const placements: Placements = new Map();
  const attentions = findAttentions(flow);
  for (const attention of attentions) placeAttention(flow, placements, attention);
  const softmaxes = new Set(attentions.map(({ softmax }) => softmax));
  if (softmaxes.size > 0) {
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

const isMatMul = ({ op }: GraphNode) => PRODUCTS.has(op);

/** From scores to softmax: scaling, masking, changing shape. */
const onScores = ({ op }: GraphNode) =>
  BINARY.has(op) ||
  SHAPING.has(op) ||
  IDENTITY.has(op) ||
  ['Cast', 'SelectV2', 'Select'].includes(op);

/** From attention to the linear behind it: a residual addition ends the way. */
const behindAttention = (node: GraphNode) =>
  SHAPING.has(node.op) ||
  IDENTITY.has(node.op) ||
  SLICING.has(node.op) ||
  ['Cast', 'ConcatV2', 'Pack', 'Mul', 'FakeQuant'].includes(node.op);

function findAttentions(flow: Flow): Attention[] {
  const attentions: Attention[] = [];
  for (const node of flow.graph.nodes.values()) {
    if (node.op !== 'Softmax') continue;
    const scores = scoreProduct(flow, node.inputs[0]!);
    if (scores === null) continue;
    const [query, key] = queryAndKey(scores);
    // anything but another attention may lie between a projection and the scores: norms, rotary embeddings, splits
    const toProjections = (ref: Ref) =>
      flow.back(ref, (n) => n.op !== 'Softmax' && !isMatMul(n)).linears;
    const contexts = flow.forward(node.name, onScores, isMatMul);
    const probabilities = new Set([node.name, ...downstream(flow, node.name, onScores)]);
    const values = contexts.flatMap(({ inputs }) =>
      inputs.filter((ref) => !probabilities.has(nodeOf(ref))),
    );
    const out = contexts.flatMap(({ name }) => firstLinears(flow, name));
    attentions.push({
      softmax: node.name,
      q: toProjections(query),
      k: toProjections(key),
      v: [...new Set(values.flatMap(toProjections))],
      out: [...new Set(out)],
    });
  }
  return attentions;
}

/** The product whose softmax is taken, both of its operands computed. */
function scoreProduct(flow: Flow, ref: Ref): GraphNode | null {
  const seen = new Set<string>();
  const open = [nodeOf(ref)];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const node = flow.graph.nodes.get(name);
    if (node === undefined || flow.linears.byNode.has(name)) continue;
    if (isMatMul(node)) return node;
    if (onScores(node)) open.push(...node.inputs.map(nodeOf));
  }
  return null;
}

/** Keys run along the last axis of the scores, over which the softmax goes. */
function queryAndKey({ op, attrs, inputs }: GraphNode): [Ref, Ref] {
  const [first, second] = inputs as [Ref, Ref];
  if (op !== 'Einsum') return [first, second];
  const equation = stringAttr(attrs, 'equation').replace(/\s/g, '');
  const [left = '', out = ''] = equation.split('->');
  const keys = out.at(-1) ?? '';
  return left.split(',')[0]!.includes(keys) ? [second, first] : [first, second];
}

function downstream(flow: Flow, from: string, passes: (node: GraphNode) => boolean): string[] {
  const met: string[] = [];
  flow.forward(from, passes, (node) => {
    if (passes(node) && !isMatMul(node)) met.push(node.name);
    return false;
  });
  return met;
}

function firstLinears(flow: Flow, from: string): Linear[] {
  const isLinear = (node: GraphNode) => flow.linears.byNode.has(node.name);
  return flow
    .forward(from, behindAttention, isLinear)
    .map(({ name }) => flow.linears.byNode.get(name)!);
}

function placeAttention(flow: Flow, placements: Placements, attention: Attention): void {
  const { softmax, q, k, v, out } = attention;
  const kind = attentionKind(flow, attention);
  const place = (linear: Linear, role: Role, what: string) => {
    if (!placements.has(linear)) {
      placements.set(linear, { role, reason: `${what} of the softmax ${JSON.stringify(softmax)}` });
    }
  };
  for (const linear of new Set([...q, ...k, ...v])) {
    const parts = (['q', 'k', 'v'] as const).filter((part) => attention[part].includes(linear));
    const joined = parts.join('');
    const role = attentionRole(kind, joined);
    place(linear, role, `feeds ${parts.join(', ')}`);
  }
  for (const linear of out) place(linear, `${kind}.out`, 'reads the values');
}

/** Joint: several streams are concatenated. Cross: queries and keys come from different tensors. */
function attentionKind(
  flow: Flow,
  { q, k }: Attention,
): 'attention' | 'crossAttention' | 'jointAttention' {
  if (q.length > 1 && k.length > 1) return 'jointAttention';
  const roots = new Set(q.map(({ input }) => flow.root(input)));
  const shared = k.some((linear) => q.includes(linear) || roots.has(flow.root(linear.input)));
  return shared || q.length === 0 || k.length === 0 ? 'attention' : 'crossAttention';
}

function attentionRole(
  kind: 'attention' | 'crossAttention' | 'jointAttention',
  parts: string,
): Role {
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

/** From a modulation linear to where its parts meet the tokens. */
const onModulation = (flow: Flow) => (node: GraphNode) =>
  SHAPING.has(node.op) ||
  IDENTITY.has(node.op) ||
  SLICING.has(node.op) ||
  node.op === 'Tanh' ||
  node.op === 'ConcatV2' ||
  ((SUMS.has(node.op) || node.op === 'Mul') && node.inputs.some((ref) => flow.isConstant(ref)));

/** adaLN: a linear on one row per sample, a part of which scales a normalized tensor. */
function placeModulations(
  flow: Flow,
  placements: Placements,
  oneRow: (linear: Linear) => boolean,
): void {
  for (const linear of flow.linears.list) {
    if (placements.has(linear) || !oneRow(linear)) continue;
    const scales = (node: GraphNode, via: string) =>
      node.op === 'Mul' &&
      node.inputs.some((ref) => nodeOf(ref) !== via && normalizes(flow, ref, linear));
    const [hit] = flow.forward(linear.name, onModulation(flow), scales);
    if (hit === undefined) continue;
    const reason = `scales the normalized tensor at ${JSON.stringify(hit.name)}`;
    placements.set(linear, { role: 'modulation', reason });
  }
}

/** Whether a tensor is x · rsqrt(…) or x / sqrt(…), possibly shifted, of something else than the linear itself. */
function normalizes(flow: Flow, ref: Ref, linear: Linear, depth = 0): boolean {
  const node = flow.node(ref);
  if (node === undefined || depth > 6 || flow.linears.byNode.has(node.name)) return false;
  if (node.op.startsWith('FusedBatchNorm')) return true;
  if (node.op === 'Mul' || node.op === 'RealDiv' || node.op === 'Div') {
    const roots = node.inputs.filter((input) => isRoot(flow, input));
    if (roots.length > 0) {
      const others = node.inputs.filter((input) => !roots.includes(input));
      const own = others.some((input) => {
        const near = flow.back(
          input,
          (n) => n.op === 'Sub' || SHAPING.has(n.op) || IDENTITY.has(n.op),
        );
        return near.linears.includes(linear);
      });
      return others.length > 0 && !own;
    }
  }
  const through =
    SHAPING.has(node.op) ||
    IDENTITY.has(node.op) ||
    SUMS.has(node.op) ||
    ['Mul', 'Sub', 'Cast'].includes(node.op);
  return through && node.inputs.some((input) => normalizes(flow, input, linear, depth + 1));
}

function isRoot(flow: Flow, ref: Ref): boolean {
  const node = flow.node(ref);
  if (node === undefined) return false;
  if (node.op === 'Rsqrt' || node.op === 'Sqrt') return true;
  // gamma · rsqrt(…), as Keras folds it
  const folded = node.op === 'Mul' && node.inputs.some((input) => flow.isConstant(input));
  if (!folded && !IDENTITY.has(node.op) && !SHAPING.has(node.op)) return false;
  return node.inputs.some((input) => !flow.isConstant(input) && isRoot(flow, input));
}

/** Between the linears of an MLP: elementwise ops and splits, no reduction, no other product. */
const insideMlp = ({ op }: GraphNode) =>
  UNARY.has(op)
    ? op !== 'Softmax'
    : BINARY.has(op) || SHAPING.has(op) || SLICING.has(op) || IDENTITY.has(op);

function placeMlps(flow: Flow, placements: Placements, softmaxes: ReadonlySet<string>): void {
  for (const out of flow.linears.list) {
    if (placements.has(out)) continue;
    const walk = flow.back(out.input, insideMlp);
    if (!isMlp(flow, placements, walk, out)) continue;
    const [first] = walk.linears as [Linear];
    const near = [...flow.linears.list].some(
      (other) =>
        placements.get(other)?.role.includes('ttention') === true &&
        flow.root(other.input) === flow.root(first.input),
    );
    const upstream = flow.ancestors(first.input);
    // before any attention it embeds the conditions; only beside or behind one it is part of a block
    if (!near && ![...softmaxes].some((name) => upstream.has(name))) continue;
    placeMlp(flow, placements, walk, out);
  }
}

function isMlp(flow: Flow, placements: Placements, walk: Walk, out: Linear): boolean {
  const { linears, ops, blocked } = walk;
  if (blocked || linears.length === 0 || linears.length > 2) return false;
  if (linears.some((linear) => placements.has(linear) || linear === out)) return false;
  const roots = new Set(linears.map(({ input }) => flow.root(input)));
  return roots.size === 1 && [...ops].some((op) => NONLINEARITIES.has(op));
}

function placeMlp(flow: Flow, placements: Placements, walk: Walk, out: Linear): void {
  const kind = activationName(walk.ops);
  const to = JSON.stringify(out.name);
  for (const linear of walk.linears) {
    const gate = walk.linears.length === 2 && isGate(flow, linear);
    const reason = gate ? `gates by ${kind} what ${to} reads` : `through ${kind} into ${to}`;
    placements.set(linear, { role: gate ? 'mlp.gate' : 'mlp.in', reason });
  }
  const from = walk.linears.map(({ name }) => JSON.stringify(name)).join(' and ');
  placements.set(out, { role: 'mlp.out', reason: `reads ${from} through ${kind}` });
}

/** The gate of a GEGLU or SwiGLU goes through the activation; the other linear is multiplied with it as it is. */
function isGate(flow: Flow, linear: Linear): boolean {
  if (linear.activation !== null) return true;
  const passes = (node: GraphNode) => insideMlp(node) && !SUMS.has(node.op);
  const active = (node: GraphNode) => NONLINEARITIES.has(node.op);
  // tanh GELU has a sum before its tanh: x + 0.044715 x³, both from the gate
  const straight = flow.forward(linear.name, passes, active);
  return (
    straight.length > 0 ||
    flow.readers(linear.name).some(({ op }) => ['Pow', 'Square'].includes(op))
  );
}

function activationName(ops: ReadonlySet<string>): string {
  if (ops.has('Erf') || ops.has('Erfc')) return 'GELU (erf)';
  if (ops.has('Tanh')) return 'GELU (tanh)';
  if (ops.has('Sigmoid')) return 'SiLU';
  return [...ops].find((op) => NONLINEARITIES.has(op)) ?? 'an activation';
}

/** What is left before the first attention embeds inputs; what no linear follows is the final layer. */
function placeEnds(flow: Flow, placements: Placements, softmaxes: ReadonlySet<string>): void {
  const readBy = new Set<Linear>();
  for (const linear of flow.linears.list) {
    for (const name of flow.ancestors(linear.input)) {
      const earlier = flow.linears.byNode.get(name);
      if (earlier !== undefined) readBy.add(earlier);
    }
  }
  for (const linear of flow.linears.list) {
    if (placements.has(linear)) continue;
    const upstream = flow.ancestors(linear.input);
    const behind = [...softmaxes].some((name) => upstream.has(name));
    if (!behind && readBy.has(linear)) {
      placements.set(linear, { role: 'embedding', reason: 'before the first attention' });
    } else if (behind && !readBy.has(linear)) {
      placements.set(linear, { role: 'final', reason: 'no linear reads what it gives' });
    }
  }
}
