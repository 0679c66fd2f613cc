import type { GraphModel } from '@tensorflow/tfjs-converter';
import { type Tensor, type TypedArray, tensor } from '@tensorflow/tfjs-core';
import { valuesOf } from '../../ops/common/alive.js';
import { checkOptions } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { TraceError } from './base/errors.js';
import { BakedError, differenceOf } from './base/pairs.js';
import { disposeTape, type Tape } from './base/tape.js';
import {
  type EagerFunction,
  type ExampleInputs,
  type LayersModelLike,
  type Subject,
  subjectOf,
} from './calls.js';
import { modelOfTapes } from './convert.js';
import { record } from './recorder.js';
import { otherConstant } from './sameConstants.js';
import { checkSame } from './sameResults.js';

/** Options of `toGraphModel`. */
export interface ToGraphModelOptions {
  /**
   * Whether the model takes other numbers of samples than the example: the first axis of the first
   * input, and of every input of which it is as long. 'free': an error where something holds for
   * the example's alone; 'auto': the batch stays the example's there, as the inputs' shapes tell;
   * 'fixed': it stays. Default 'auto'.
   */
  batch?: 'auto' | 'free' | 'fixed';
}

/** What an absent option of `toGraphModel` means. */
export const TO_GRAPH_MODEL_DEFAULTS = { batch: 'auto' } as const satisfies ToGraphModelOptions;

const BATCH: readonly unknown[] = ['auto', 'free', 'fixed'];

/**
 * A `tf.GraphModel` of a `tf.LayersModel` or of eager code, on the current backend: it records the
 * kernels that tfjs runs for a call.
 *
 * Tensors that no input has a part in are its weights, which share the memory of the tensors that
 * they are: dispose both, in any order. The call is run twice with the example, and once with twice
 * its samples, which tells what follows the batch; then the model is run on the same, and has to
 * give the same.
 *
 * @param modelOrFunction A function gets what `exampleInputs` is, and gives a tensor, several, or
 * tensors by name. A LayersModel is called for inference.
 * @param exampleInputs Their names are the model's inputs; of a list `input_0`, `input_1` …, of one
 * tensor `input`; of a LayersModel its own. Outputs are called alike.
 * @throws TraceError for a kernel that has no op in a graph, for values of tensors that are read
 * within the call, for what is drawn at random, and for an asynchronous function; it names what.
 * InvalidArgumentError for a GraphModel, and for wrong inputs and options.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { toGraphModel } from 'tfjs-hadanorm';
 *
 * const w = tf.randomNormal<tf.Rank.R2>([8, 8]);
 * const block = ({ x }: { x: tf.Tensor }) => ({ y: tf.add(x, tf.matMul(tf.relu(x), w)) });
 * const model = toGraphModel(block, { x: tf.ones([2, 8]) });
 * const y = model.predict({ x: tf.ones([5, 8]) });
 * ```
 */
export function toGraphModel<I extends ExampleInputs>(
  modelOrFunction: LayersModelLike | EagerFunction<I>,
  exampleInputs: I,
  options: ToGraphModelOptions = {},
): GraphModel {
  const op = 'toGraphModel';
  checkOptions(op, options, ['batch']);
  const { batch = TO_GRAPH_MODEL_DEFAULTS.batch } = options;
  if (!BATCH.includes(batch)) {
    throw new InvalidArgumentError(op, 'batch', "'auto', 'free' or 'fixed'", describe(batch));
  }
  return graphModelOf(op, subjectOf(op, modelOrFunction, exampleInputs), batch);
}

/** As `toGraphModel`, in the name of `op`. */
export function graphModelOf(
  op: string,
  { inputs, call }: Subject,
  batch: 'auto' | 'free' | 'fixed',
): GraphModel {
  const tape = record(op, inputs, call);
  try {
    checkRepeats(op, tape, { inputs, call });
    const free = batch === 'fixed' ? null : freed(op, tape, { inputs, call }, batch === 'free');
    const model = free ?? modelOfTapes(op, [tape, tape], [1, 1]);
    return checked(model, () => checkSame(op, model, inputs, tape.results));
  } finally {
    disposeTape(tape);
  }
}

/** The model with its batch free; null where that cannot be, unless it has to. */
function freed(op: string, tape: Tape, subject: Subject, must: boolean): GraphModel | null {
  const samples = [...subject.inputs.values()][0]!.shape[0];
  if (samples === undefined || samples === 0) {
    if (!must) return null;
    const wanted = 'a first axis of samples in the first input';
    throw new InvalidArgumentError(op, 'exampleInputs', wanted, `shape [${samples ?? ''}]`);
  }
  const twice = new Map([...subject.inputs].map(([name, x]) => [name, doubled(op, x, samples)]));
  try {
    return ofBoth(op, tape, { ...subject, inputs: twice }, samples);
  } catch (error) {
    if (must || !(error instanceof BakedError)) throw error;
    return null;
  } finally {
    for (const [name, x] of twice) if (x !== subject.inputs.get(name)) x.dispose();
  }
}

function ofBoth(op: string, tape: Tape, twice: Subject, samples: number): GraphModel {
  let other: Tape;
  try {
    other = record(op, twice.inputs, twice.call);
  } catch (error) {
    throw Object.assign(new BakedError(op, 'that refuses another batch'), { cause: error });
  }
  try {
    const kernel = differenceOf(tape, other) ?? otherConstant(op, tape, other);
    if (kernel !== null) throw new BakedError(op, kernel);
    const model = modelOfTapes(op, [tape, other], [samples, 2 * samples]);
    return checked(model, () => checkSame(op, model, twice.inputs, other.results));
  } finally {
    disposeTape(other);
  }
}

/** @throws TraceError where a second call with the same inputs is another one. */
function checkRepeats(op: string, tape: Tape, { inputs, call }: Subject): void {
  const again = record(op, inputs, call);
  try {
    const what = differenceOf(tape, again) ?? otherConstant(op, tape, again);
    if (what === null) return;
    const problem = `the call is another one each time: ${what} differs for the same inputs`;
    const wayOut = 'Draw random numbers outside, and pass them as inputs.';
    throw new TraceError(op, what, problem, wayOut);
  } finally {
    disposeTape(again);
  }
}

/** Twice the samples, the second half others of the same values. */
function doubled(op: string, x: Tensor, samples: number): Tensor {
  if (x.shape[0] !== samples) return x;
  const values = valuesOf(op, x) as TypedArray;
  const both = new (values.constructor as new (length: number) => typeof values)(2 * values.length);
  both.set(values);
  both.set(values.slice().reverse(), values.length);
  return tensor(both, [2 * samples, ...x.shape.slice(1)], x.dtype);
}

function checked(model: GraphModel, check: () => void): GraphModel {
  try {
    check();
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}
