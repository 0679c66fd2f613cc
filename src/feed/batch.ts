import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, type NamedTensorMap, Tensor } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';

/** Inputs of the model for one run: by name, in order, or one tensor. */
export type Batch = Tensor | Tensor[] | NamedTensorMap;

/** @throws InvalidArgumentError for what cannot be gone through. */
export function checkBatches(
  op: string,
  value: unknown,
): asserts value is Iterable<Batch> | AsyncIterable<Batch> {
  const isObject = value !== null && typeof value === 'object' && !(value instanceof Tensor);
  if (isObject && (Symbol.iterator in value || Symbol.asyncIterator in value)) return;
  const wanted = 'an iterable or async iterable of inputs';
  throw new InvalidArgumentError(op, 'batches', wanted, describe(value));
}

/**
 * @param name What the caller calls it.
 * @throws InvalidArgumentError for what are no inputs; whether they are the model's is for
 * `checkInputs`.
 */
export function checkBatch(op: string, batch: unknown, name: string): asserts batch is Batch {
  const wanted = 'a tensor, an array of tensors, or tensors by name';
  const refuse = (at: string, got: string) => {
    throw new InvalidArgumentError(op, `${name}${at}`, wanted, got);
  };
  if (batch instanceof Tensor) {
    if (batch.isDisposed) refuse('', 'a disposed tensor');
    return;
  }
  if (batch === null || typeof batch !== 'object') return refuse('', describe(batch));
  for (const [key, value] of Object.entries(batch)) {
    if (!(value instanceof Tensor)) refuse(`.${key}`, describe(value));
    else if (value.isDisposed) refuse(`.${key}`, 'a disposed tensor');
  }
}

/** How many batches there will be; null where only going through them tells. */
export function countOf(batches: Iterable<Batch> | AsyncIterable<Batch>): number | null {
  if (Array.isArray(batches)) return batches.length;
  return batches instanceof Set ? batches.size : null;
}

/** The tensors of a batch, however it has them. */
export function tensorsIn(batch: Batch): Tensor[] {
  return batch instanceof Tensor ? [batch] : Object.values(batch);
}

/** The tensor that a batch gives an input of the model. */
export function inputNamed(model: GraphModel, batch: Batch, name: string): Tensor {
  const at = model.inputs.findIndex((input) => input.name === name || input.name === `${name}:0`);
  const named = !(batch instanceof Tensor) && !Array.isArray(batch) ? batch[name] : undefined;
  const ordered = batch instanceof Tensor ? [batch] : Array.isArray(batch) ? batch : [];
  const tensor = named ?? (at < 0 ? undefined : ordered[at]);
  if (tensor !== undefined) return tensor;
  const names = model.inputs.map((input) => input.name).join(', ');
  const wanted = `one of the model's inputs (${names}) that every batch has`;
  throw new InvalidArgumentError('calibrate', 'timestep', wanted, JSON.stringify(name));
}

/**
 * Disposes what a run gave, but not what was given to it: an output may be an input, or a weight,
 * as it is.
 */
export function disposeResults(
  results: Tensor | readonly Tensor[],
  batch: Batch,
  model: GraphModel,
): void {
  const others = new Set([...tensorsIn(batch), ...Object.values(model.weights).flat()]);
  dispose([results].flat().filter((tensor) => !others.has(tensor)));
}
