import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { describe, HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { inputTensor, type PlainArray } from './inputTensor.js';

const OP = '--inputs';

/**
 * What a module's default export gives, or its function for `{ tf, model }`.
 *
 * @throws HadaNormError with the module's own error as its `cause`; InvalidArgumentError for what
 * are no batches.
 */
export async function* ofModule(
  model: GraphModel,
  file: string,
): AsyncGenerator<tf.NamedTensorMap, void> {
  try {
    yield* batchesIn(model, file);
  } catch (cause) {
    if (cause instanceof HadaNormError) throw cause;
    const words = cause instanceof Error ? cause.message : describe(cause);
    const wayOut = 'DEBUG=1 shows where.';
    const problem = `the module ${file} failed: ${words}. ${wayOut}`;
    throw Object.assign(new HadaNormError(OP, problem), { cause });
  }
}

async function* batchesIn(
  model: GraphModel,
  file: string,
): AsyncGenerator<tf.NamedTensorMap, void> {
  const exported = (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>;
  const { default: given } = exported;
  const made: unknown = typeof given === 'function' ? await given({ tf, model }) : given;
  const isObject = typeof made === 'object' && made !== null;
  if (!isObject || !(Symbol.asyncIterator in made || Symbol.iterator in made)) {
    const wanted = 'an iterable of batches as its default export, or a function that gives one';
    throw new InvalidArgumentError(OP, file, wanted, describe(made));
  }
  let at = 0;
  for await (const batch of made as AsyncIterable<unknown>) {
    const where = `${file}, batch ${at++}`;
    if (batch === null || typeof batch !== 'object') {
      throw new InvalidArgumentError(OP, where, 'tensors by name', describe(batch));
    }
    const entries = Object.entries(batch).map(
      ([name, value]) => [name, tensorOf(`${where}, ${name}`, value, model, name)] as const,
    );
    yield Object.fromEntries(entries);
  }
}

/** A module's own tensor, or its numbers as one. */
function tensorOf(where: string, value: unknown, model: GraphModel, name: string): tf.Tensor {
  if (value instanceof tf.Tensor) return value;
  const { shape, values } = (value ?? {}) as Partial<PlainArray>;
  if (!Array.isArray(shape) || typeof values?.length !== 'number') {
    const wanted = 'a tensor of the tf that its function is given, or { shape, values }';
    throw new InvalidArgumentError(OP, where, wanted, describe(value));
  }
  const dtype = model.inputs.find((input) => input.name === name)?.dtype ?? 'float32';
  return inputTensor(OP, where, { shape, values }, dtype);
}
