import type { GraphModel } from '@tensorflow/tfjs-converter';
import { type DataType, type Tensor, tensor, util } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { isLayersModel, type LayersModelLike, namesOf, subjectOf } from './calls.js';
import { graphModelOf } from './toGraphModel.js';

/** Samples of the example that a LayersModel is traced with. */
const SAMPLES = 2;

/** A model that this package looks into: one of tfjs-layers is converted first. */
export type AnyModel = GraphModel | LayersModelLike;

/** A model of the one or the other kind as a graph model, to be given back. */
export interface Given {
  /** What was given, where that is no LayersModel: whether it is a model is not looked at here. */
  readonly model: GraphModel;
  /** Gives up what was made of a LayersModel; nothing else is touched. */
  readonly done: () => void;
}

/**
 * The graph model of what was given. That of a LayersModel shares its weights' memory, and its
 * nodes are called the same each time: statistics of one fit another.
 * @throws InvalidArgumentError for a LayersModel whose inputs have open lengths besides the batch;
 * TraceError as `toGraphModel`.
 */
export function givenModel(op: string, given: AnyModel): Given {
  if (!isLayersModel(given)) return { model: given, done: () => {} };
  const { inputNames } = namesOf(op, given);
  const inputs = given.inputs.map(({ shape, dtype }, i) => {
    return example(op, inputNames[i]!, shape, dtype);
  });
  try {
    const model = graphModelOf(op, subjectOf(op, given, inputs), 'free');
    return { model, done: () => model.dispose() };
  } finally {
    for (const input of inputs) input.dispose();
  }
}

/** As `givenModel`, for as long as `run` takes. */
export function withGiven<T>(op: string, given: AnyModel, run: (model: GraphModel) => T): T {
  const { model, done } = givenModel(op, given);
  try {
    return run(model);
  } finally {
    done();
  }
}

/** Values for an input: numbers of any sign, or zeros, which every table has a row for. */
function example(
  op: string,
  name: string,
  [, ...dims]: readonly (number | null)[],
  dtype: DataType,
): Tensor {
  if (dims.some((dim) => dim === null)) {
    const wanted = 'a tf.LayersModel whose inputs have known lengths, the batch aside';
    const got = `${describe(name)} of shape [?, ${dims.map((dim) => dim ?? '?').join(', ')}]`;
    const wayOut = 'Give it toGraphModel(model, exampleInputs) instead.';
    throw new InvalidArgumentError(op, 'model', wanted, got, wayOut);
  }
  const shape = [SAMPLES, ...(dims as number[])];
  const size = util.sizeFromShape(shape);
  if (dtype !== 'float32') return tensor(new Int32Array(size), shape, dtype);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(1 + 1.7 * i)),
    shape,
  );
}
