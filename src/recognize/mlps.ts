import type { GraphNode } from '../graph/ir.js';
import { BINARY, IDENTITY, NONLINEARITIES, SHAPING, SLICING, UNARY } from '../graph/opSets.js';
import type { DataFlow, Walk } from './dataFlow.js';
import type { Linear } from './linears.js';
import type { Placements } from './placement.js';

/** Between the linears of an MLP: elementwise ops and splits, no reduction, no other product. */
const insideMlp = ({ op }: GraphNode) =>
  UNARY.has(op)
    ? op !== 'Softmax'
    : BINARY.has(op) || SHAPING.has(op) || SLICING.has(op) || IDENTITY.has(op) || op === 'ConcatV2';

/**
 * Two linears, or a gated pair and a third, with an activation between them, beside or behind an
 * attention.
 */
export function placeMlps(
  flow: DataFlow,
  placements: Placements,
  softmaxes: ReadonlySet<string>,
): void {
  const besideAttention = new Set(
    [...placements]
      .filter(([, { role }]) => role.includes('ttention'))
      .map(([{ input }]) => flow.root(input)),
  );
  for (const out of flow.linears.list) {
    if (placements.has(out)) continue;
    const walk = flow.back(out.input, insideMlp);
    if (!isMlp(flow, placements, walk, out)) continue;
    const [first] = walk.linears as [Linear];
    const upstream = flow.ancestors(first.input);
    const behind = [...softmaxes].some((name) => upstream.has(name));
    // before any attention it embeds the conditions; only beside or behind one it is part of a
    // block
    if (behind || besideAttention.has(flow.root(first.input)))
      placeMlp(flow, placements, walk, out);
  }
  for (const linear of flow.linears.list) {
    if (placements.has(linear) || !besideAttention.has(flow.root(linear.input))) continue;
    placeBeside(flow, placements, linear);
  }
}

/**
 * The wide linear of a block whose attention and MLP stand side by side, as in Flux: one linear
 * reads what both give, and has its role from the attention.
 */
function placeBeside(flow: DataFlow, placements: Placements, linear: Linear): void {
  const isLinear = ({ name }: GraphNode) => flow.linears.byNode.has(name);
  for (const { name } of flow.forward(linear.name, insideMlp, isLinear)) {
    const out = flow.linears.byNode.get(name)!;
    const { ops } = flow.back(out.input, insideMlp);
    if (!placements.get(out)?.role.endsWith('ttention.out')) continue;
    if (![...ops].some((op) => NONLINEARITIES.has(op))) continue;
    const way = `through ${activationName(ops)} into ${JSON.stringify(name)}`;
    const reason = `${way}, beside the attention`;
    placements.set(linear, { role: 'mlp.in', reason });
  }
}

function isMlp(flow: DataFlow, placements: Placements, walk: Walk, out: Linear): boolean {
  const { linears, ops, blocked } = walk;
  if (blocked || linears.length === 0 || linears.length > 2) return false;
  if (linears.some((linear) => placements.has(linear) || linear === out)) return false;
  const roots = new Set(linears.map(({ input }) => flow.root(input)));
  return roots.size === 1 && [...ops].some((op) => NONLINEARITIES.has(op));
}

function placeMlp(flow: DataFlow, placements: Placements, walk: Walk, out: Linear): void {
  const kind = activationName(walk.ops);
  const to = JSON.stringify(out.name);
  const gates = walk.linears.length === 2 ? gatesOf(flow, walk) : new Set<Linear>();
  for (const linear of walk.linears) {
    const isGate = gates.has(linear);
    const reason = isGate ? `gates by ${kind} what ${to} reads` : `through ${kind} into ${to}`;
    placements.set(linear, { role: isGate ? 'mlp.gate' : 'mlp.in', reason });
  }
  const from = walk.linears.map(({ name }) => JSON.stringify(name)).join(' and ');
  placements.set(out, { role: 'mlp.out', reason: `reads ${from} through ${kind}` });
}

/**
 * The gate of a GEGLU or SwiGLU goes through the activation; the other linear is multiplied with it
 * as it is.
 */
function gatesOf(flow: DataFlow, { linears, nodes }: Walk): ReadonlySet<Linear> {
  const active = nodes.filter(({ op }) => NONLINEARITIES.has(op));
  return new Set([
    ...active.flatMap(({ name }) => flow.back(name, insideMlp).linears),
    ...linears.filter(({ activation }) => activation !== null),
  ]);
}

function activationName(ops: ReadonlySet<string>): string {
  if (ops.has('Erf') || ops.has('Erfc')) return 'GELU (erf)';
  if (ops.has('Tanh')) return 'GELU (tanh)';
  if (ops.has('Sigmoid')) return 'SiLU';
  return [...ops].find((op) => NONLINEARITIES.has(op)) ?? 'an activation';
}
