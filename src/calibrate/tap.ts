import { reshape, type Tensor } from '@tensorflow/tfjs-core';
import { dataInputs, type GraphOpNode, numberParam } from '../../ops/common/graphOp.js';
import { attr } from '../graph/attrs.js';
import {
  canonical,
  type Graph,
  type GraphNode,
  makeNode,
  nodeFrom,
  nodeOf,
  type Ref,
} from '../graph/ir.js';
import type { Site } from '../recognize/sites.js';

/** The op that shows a tensor to a calibration while the model runs, and passes it on. */
export const TAP_OP = 'HadaNormTap';

/**
 * Sees the tensor of a site, and the one that tells its tokens apart where there is such. Must not
 * dispose them.
 */
export type TapListener = (site: number, x: Tensor, like: Tensor | null) => void;

/** Who listens, by session. */
interface Taps {
  readonly listeners: Map<number, TapListener>;
  sessions: number;
}

// one for all copies of the package in a process (ESM and CommonJS, say): the op is that of the
// copy that came last
const TAPS = Symbol.for('tfjs-hadanorm.taps');

function taps(): Taps {
  const scope = globalThis as { [TAPS]?: Taps };
  scope[TAPS] ??= { listeners: new Map(), sessions: 0 };
  return scope[TAPS];
}

/** NodeDef `HadaNormTap`: inputs x, and like if hasLike; attributes session, site (i). Output x. */
export function tapGraphOp(node: GraphOpNode): Tensor {
  const session = numberParam(TAP_OP, node, 'session') ?? -1;
  const site = numberParam(TAP_OP, node, 'site') ?? -1;
  const hasLike = node.attrs.hasLike === true;
  const [x, like] = dataInputs(TAP_OP, node, hasLike ? 2 : 1);
  taps().listeners.get(session)?.(site, x!, like ?? null);
  // an op must not return its input; a reshape shares the memory
  return reshape(x!, x!.shape);
}

/** Starts listening; the number is for `withTaps`. Call the function to stop. */
export function listen(listener: TapListener): { session: number; stop: () => void } {
  const all = taps();
  const session = all.sessions++;
  all.listeners.set(session, listener);
  return { session, stop: () => all.listeners.delete(session) };
}

/**
 * The graph with a tap behind each site: x → HadaNormTap → all who read x. Two sites on one tensor
 * are chained.
 */
export function withTaps(graph: Graph, sites: readonly Site[], session: number): Graph {
  const last = new Map<Ref, Ref>();
  const taps = sites.map(({ source, like }, i) => {
    const name = freeName(graph, `${nodeOf(source)}/tap${i}`);
    const from = last.get(source) ?? source;
    last.set(source, name);
    return makeNode(TAP_OP, name, like === null ? [from] : [from, like], {
      session: attr.int(session),
      site: attr.int(i),
      hasLike: attr.bool(like !== null),
    });
  });
  const nodes = new Map<string, GraphNode>();
  for (const node of graph.nodes.values()) {
    const input = (node.def.input ?? []).map((ref) =>
      ref.startsWith('^') ? ref : (last.get(canonical(ref)) ?? ref),
    );
    const changed = input.some((ref, i) => ref !== node.def.input?.[i]);
    nodes.set(node.name, changed ? nodeFrom({ ...node.def, input }) : node);
  }
  for (const tap of taps) nodes.set(tap.name, tap);
  return { ...graph, nodes };
}

function freeName(graph: Graph, wanted: string): string {
  let name = wanted;
  for (let i = 1; graph.nodes.has(name); i++) name = `${wanted}_${i}`;
  return name;
}
