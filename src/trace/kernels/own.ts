import { OPS } from '../../../ops/index.js';
import { type AttrValue, attr } from '../../graph/attrs.js';
import type { Value } from '../base/emitter.js';
import type { Context, Rule, Rules } from './context.js';
import { refs } from './context.js';

/** The fusions of this package, whose kernels have the attributes of their nodes. */
const FUSIONS: Readonly<Record<string, readonly string[]>> = {
  ScaledDotProductAttention: ['q', 'k', 'v', 'mask'],
  ModulatedLayerNorm: ['x', 'gamma', 'beta', 'factor', 'shift'],
};

export const OWN: Rules = Object.fromEntries(
  OPS.flatMap(({ kernelName }): [string, Rule][] => {
    const names = FUSIONS[kernelName];
    return names === undefined ? [] : [[kernelName, (context) => fusion(context, names)]];
  }),
);

function fusion(context: Context, names: readonly string[]): Value {
  const { step, emit, out } = context;
  const there = names.filter((name) => step.has(name));
  const flags = there.map((name) => [`has${name[0]!.toUpperCase()}${name.slice(1)}`, true]);
  const attrs = [...flags, ...step.attrNames().map((name) => [name, step.attr(name)])];
  const given = Object.fromEntries(
    attrs.map(([name, value]) => [name, attrOf(context, name as string, value)]),
  );
  return emit.node(step.kernel, refs(context, there), out[0]!, given);
}

function attrOf({ step }: Context, name: string, value: unknown): AttrValue {
  switch (typeof value) {
    case 'number':
      return attr.float(value);
    case 'boolean':
      return attr.bool(value);
    case 'string':
      return attr.string(value);
    default:
      throw step.refusal(`with ${name}`);
  }
}
