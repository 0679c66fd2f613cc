import type { io } from '@tensorflow/tfjs-core';
import type { Attrs } from './attrs.js';
import type { Weight } from './weights.js';

/**
 * A tensor in a graph: a node's name for its first output, `name:k` for output k. `^name` waits for
 * a node.
 */
export type Ref = string;

/**
 * A node as a model.json has it; what this package does not know (device, debug info) is kept as it
 * is.
 */
export interface NodeDef {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly Ref[];
  readonly attr?: Attrs;
}

/** One operation of a graph. Nodes never change: a pass puts others in their place. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** Data inputs in order, without control inputs. */
  readonly inputs: readonly Ref[];
  /** Names of the nodes that must run before this one. */
  readonly controls: readonly string[];
  readonly attrs: Attrs;
  /** What the file holds: written back as it is, so that a round trip changes nothing. */
  readonly def: NodeDef;
}

/**
 * A tfjs GraphModel as a value: nodes and weights by name, in file order, and all else as it was.
 */
export interface Graph {
  readonly nodes: ReadonlyMap<string, GraphNode>;
  readonly weights: ReadonlyMap<string, Weight>;
  /** Names of the nodes whose values the model returns. */
  readonly outputs: readonly string[];
  /** Names of the model's inputs. */
  readonly inputs: readonly string[];
  /** Signature, function library, initializer, metadata: carried along untouched. */
  readonly artifacts: Readonly<io.ModelArtifacts>;
}

/** A node of the file, with its inputs sorted into data and control. */
export function nodeFrom(def: NodeDef): GraphNode {
  const all = def.input ?? [];
  return {
    name: def.name,
    op: def.op,
    inputs: all.filter((ref) => !ref.startsWith('^')),
    controls: all.filter((ref) => ref.startsWith('^')).map((ref) => ref.slice(1)),
    attrs: def.attr ?? {},
    def,
  };
}

/** A new node. NodeDefs list control inputs last. */
export function makeNode(
  op: string,
  name: string,
  inputs: readonly Ref[],
  attrs: Attrs = {},
  controls: readonly string[] = [],
): GraphNode {
  const input = [...inputs, ...controls.map((control) => `^${control}`)];
  return nodeFrom({ name, op, input, attr: attrs });
}

/** `name:k` → name, `^name` → name. */
export function nodeOf(ref: Ref): string {
  const name = ref.startsWith('^') ? ref.slice(1) : ref;
  const colon = name.lastIndexOf(':');
  return colon >= 0 && /^\d+$/.test(name.slice(colon + 1)) ? name.slice(0, colon) : name;
}

/** `name:k` → k. */
export function outputIndexOf(ref: Ref): number {
  const name = nodeOf(ref);
  return ref.length > name.length + 1 && !ref.startsWith('^')
    ? Number(ref.slice(name.length + 1))
    : 0;
}

/** One spelling per tensor: `name:0` → `name`. */
export function canonical(ref: Ref): Ref {
  const output = outputIndexOf(ref);
  return output === 0 ? nodeOf(ref) : `${nodeOf(ref)}:${output}`;
}
