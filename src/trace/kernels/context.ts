import type { Attrs } from '../../graph/attrs.js';
import type { Ref } from '../../graph/ir.js';
import type { Emitter, Value } from '../base/emitter.js';
import type { Lengths } from '../base/pairs.js';
import type { Known, StepPair } from '../base/steps.js';

/** What a rule has of a kernel that ran, and what it writes with. */
export interface Context {
  readonly step: StepPair;
  readonly emit: Emitter;
  /** An input as a value of the graph, and what is known of it. */
  readonly value: (name: string) => Value;
  readonly known: (name: string) => Known;
  /** The shapes of what it gave. */
  readonly out: readonly Lengths[];
}

/** A kernel in ops of a graph: the values of its outputs. */
export type Rule = (context: Context) => Value | readonly Value[];

export type Rules = Readonly<Record<string, Rule>>;

/** The tensors of inputs by name. */
export function refs({ emit, value }: Context, names: readonly string[]): Ref[] {
  return names.map((name) => emit.ref(value(name)));
}

/** A node that gives what the kernel gave. */
export function only(
  context: Context,
  op: string,
  inputs: readonly Ref[],
  attrs: Attrs = {},
): Value {
  return context.emit.node(op, inputs, context.out[0]!, attrs);
}

/** Each kernel by the same rule, which is told the op. */
export function each(ops: string, rule: (op: string) => Rule): Rules {
  const names = ops.trim().split(/\s+/);
  return Object.fromEntries(
    names.map((name) => {
      const [kernel, op = kernel] = name.split(':');
      return [kernel!, rule(op!)];
    }),
  );
}
