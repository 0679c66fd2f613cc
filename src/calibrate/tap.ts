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

/** What a tap shows: the tensor of a site, and what there is beside it. Not to be disposed. */
export interface Tapped {
  readonly x: Tensor;
  /** Tells its tokens apart. */
  readonly like: Tensor | null;
  /** Tells which of them count. */
  readonly mask: Tensor | null;
}

export type TapListener = (site: number, tapped: Tapped) => void;

/** A tensor to be shown. */
export interface TapPoint extends Pick<Site, 'source' | 'like'> {
  readonly mask: Ref | null;
}

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

/**
 * NodeDef `HadaNormTap`: inputs x, like if hasLike, mask if hasMask; attributes session, site (i).
 * Output x.
 */
export function tapGraphOp(node: GraphOpNode): Tensor {
  const session = numberParam(TAP_OP, node, 'session') ?? -1;
  const site = numberParam(TAP_OP, node, 'site') ?? -1;
  const flags = ['hasLike', 'hasMask'].map((flag) => node.attrs[flag] === true);
  const [x, ...others] = dataInputs(TAP_OP, node, 1 + flags.filter((flag) => flag).length);
  const [like, mask] = flags.map((flag) => (flag ? others.shift()! : null));
  taps().listeners.get(session)?.(site, { x: x!, like: like ?? null, mask: mask ?? null });
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
export function withTaps(graph: Graph, sites: readonly TapPoint[], session: number): Graph {
  const last = new Map<Ref, Ref>();
  const taps = sites.map(({ source, like, mask }, i) => {
    const name = freeName(graph, `${nodeOf(source)}/tap${i}`);
    const from = last.get(source) ?? source;
    last.set(source, name);
    const inputs = [from, like, mask].filter((ref) => ref !== null);
    return makeNode(TAP_OP, name, inputs, {
      session: attr.int(session),
      site: attr.int(i),
      hasLike: attr.bool(like !== null),
      hasMask: attr.bool(mask !== null),
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
