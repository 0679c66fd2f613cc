import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { DataType } from '@tensorflow/tfjs-core';
import { describe } from '../../ops/numerics/errors.js';
import { graphFromArtifacts } from '../graph/artifacts.js';
import { modelFromTensors } from '../graph/model.js';
import type { Dtype } from '../graph/newWeights.js';
import { planned } from '../plan/planned.js';
import { Emitter, type Value } from './base/emitter.js';
import { TraceError } from './base/errors.js';
import { type Batches, type Lengths, lengthOf } from './base/pairs.js';
import { type Known, StepPair } from './base/steps.js';
import type { Tape, Traced } from './base/tape.js';
import type { Context, Rule } from './kernels/context.js';
import { ELEMENTWISE } from './kernels/elementwise.js';
import { OWN } from './kernels/own.js';
import { PARTS } from './kernels/parts.js';
import { PRODUCTS } from './kernels/products.js';
import { SHAPING } from './kernels/shaping.js';

const RULES: ReadonlyMap<string, Rule> = new Map(
  [ELEMENTWISE, SHAPING, PARTS, PRODUCTS, OWN].flatMap((rules) => Object.entries(rules)),
);

/**
 * The model of a call that two tapes have: with different batches, or one of them twice, where the
 * batch stays as it is.
 * @throws TraceError for a kernel without an op in a graph; BakedError for one that holds for the
 * batch alone.
 */
export function modelOfTapes(
  op: string,
  tapes: readonly [Tape, Tape],
  batches: Batches,
): GraphModel {
  const emitter = new Emitter(op);
  try {
    const outputs = written(op, tapes, batches, emitter);
    const topology = emitter.builder.topology(outputs);
    const graph = graphFromArtifacts(topology, emitter.builder.weights, op);
    return planned(modelFromTensors(graph, emitter.tensors));
  } catch (error) {
    emitter.dispose();
    throw error;
  }
}

function written(
  op: string,
  tapes: readonly [Tape, Tape],
  batches: Batches,
  emit: Emitter,
): string[] {
  const [one, other] = tapes;
  const values = new Map<number, Value>();
  const pair = (what: string, a: Traced, b: Traced): Lengths =>
    a.shape.map((dim, i) => lengthOf(op, what, batches, dim, b.shape[i]));
  // the names of outputs are theirs, whatever nodes are called
  const named = [...one.outputs.keys()].map((name) => [name, emit.own(name)] as const);
  for (const [name, x] of one.inputs) {
    const lengths = pair(`of ${name}`, x, other.inputs.get(name)!);
    values.set(
      x.id,
      emit.input(name, lengths, numeric(op, `the input ${describe(name)}`, x.dtype)),
    );
  }
  for (const [i, step] of one.steps.entries()) {
    const both = new StepPair(op, batches, tapes, [step, other.steps[i]!]);
    const made = [ruleOf(op, step.kernel)(contextOf(both, emit, values))].flat();
    for (const [k, { id }] of step.outputs.entries()) values.set(id, made[k]!);
  }
  return named.map(([name, own]) => {
    const [a, b] = [one.outputs.get(name)!, other.outputs.get(name)!];
    numeric(op, `the output ${describe(name)}`, a.dtype);
    const lengths = pair(`of ${name}`, a, b);
    const constant = one.constants.get(a.id);
    const value = constant
      ? asValue({ id: a.id, lengths, dtype: a.dtype, constant })
      : values.get(a.id)!;
    return emit.builder.node('Identity', own, [emit.ref(value)]);
  });
}

function contextOf(step: StepPair, emit: Emitter, values: ReadonlyMap<number, Value>): Context {
  const known = (name: string) => step.input(name);
  const value = (name: string) => {
    const input = known(name);
    if (input.constant === null) return values.get(input.id)!;
    numeric(step.op, `a constant of the kernel ${step.kernel}`, input.dtype);
    return asValue(input);
  };
  return { step, emit, known, value, out: step.outputs().map(({ lengths }) => lengths) };
}

function asValue(constant: Known): Value {
  const { lengths } = constant;
  return { ref: '', base: lengths, lengths, constant };
}

function ruleOf(op: string, kernel: string): Rule {
  const rule = RULES.get(kernel);
  if (rule !== undefined) return rule;
  const problem = `the kernel ${kernel} has no op in a graph model`;
  const wayOut = 'Write that part with other ops, or leave it out of the call.';
  throw new TraceError(op, kernel, problem, wayOut);
}

function numeric(op: string, what: string, dtype: DataType): Dtype {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  const problem = `${what} is ${dtype}, which no graph model holds here`;
  throw new TraceError(op, what, problem, 'Use float32, int32 or bool.');
}
