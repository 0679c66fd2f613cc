import { type DataType, type NamedTensorMap, Tensor } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { TraceError } from './base/errors.js';
import type { Call } from './recorder.js';

const NUMERIC: readonly DataType[] = ['float32', 'int32', 'bool'];
const NUMBERS = 'float32, int32 or bool';

/** Tensors for one call: one, several, or by name. */
export type ExampleInputs = Tensor | Tensor[] | NamedTensorMap;

/** Eager code: gets what the example inputs are, and gives the like at once. */
export type EagerFunction<I extends ExampleInputs = ExampleInputs> = (
  inputs: I,
) => Tensor | Tensor[] | NamedTensorMap;

/** What this package uses of a `tf.LayersModel`. */
export interface LayersModelLike {
  readonly layers: readonly object[];
  readonly inputs: readonly {
    readonly name: string;
    readonly shape: readonly (number | null)[];
    readonly dtype: DataType;
  }[];
  readonly outputs: readonly { readonly name: string }[];
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  apply(inputs: Tensor | Tensor[], options?: { readonly [name: string]: unknown }): unknown;
}

/** What is traced: tensors by name in and out. */
export interface Subject {
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly call: Call;
}

export function isLayersModel(model: unknown): model is LayersModelLike {
  if (model === null || typeof model !== 'object') return false;
  return 'layers' in model && 'apply' in model && 'inputNames' in model;
}

/** @throws InvalidArgumentError for what can be neither called nor fed. */
export function subjectOf(op: string, given: unknown, inputs: unknown): Subject {
  checkInputs(op, inputs);
  if (isLayersModel(given)) return ofLayers(op, given, inputs);
  if (typeof given !== 'function') {
    const wanted = 'a tf.LayersModel or a function';
    const isGraph = given !== null && typeof given === 'object' && 'modelSignature' in given;
    const got = isGraph ? 'a tf.GraphModel, which is one already' : describe(given);
    throw new InvalidArgumentError(op, 'modelOrFunction', wanted, got);
  }
  const call: Call = (fed) => {
    const all = [...fed.values()];
    const passed =
      inputs instanceof Tensor ? all[0] : Array.isArray(inputs) ? all : Object.fromEntries(fed);
    return named(op, given(passed), (i) => (i === null ? 'output' : `output_${i}`));
  };
  return { inputs: namedInputs(inputs), call };
}

function ofLayers(op: string, model: LayersModelLike, inputs: ExampleInputs): Subject {
  const { inputNames, outputNames } = namesOf(op, model);
  const ordered = inOrder(op, inputNames, inputs);
  const call: Call = (fed) => {
    const all = inputNames.map((name) => fed.get(name)!);
    const made = model.apply(all.length === 1 ? all[0]! : all, { training: false });
    return named(op, made, (i) => outputNames[i ?? 0]!);
  };
  return { inputs: new Map(inputNames.map((name, i) => [name, ordered[i]!])), call };
}

/**
 * What a LayersModel calls its ends; one of a list of layers has names for their tensors alone.
 * @throws InvalidArgumentError for one whose input shape is not known yet.
 */
export function namesOf(
  op: string,
  { inputs, outputs, inputNames, outputNames }: LayersModelLike,
): { inputNames: readonly string[]; outputNames: readonly string[] } {
  if (inputs === undefined || inputs.length === 0) {
    const wayOut = 'Give its first layer an inputShape.';
    const wanted = 'a tf.LayersModel that knows its inputs';
    throw new InvalidArgumentError(op, 'model', wanted, 'one without', wayOut);
  }
  const layerOf = ({ name }: { name: string }) => name.split('/')[0]!;
  return {
    inputNames: inputNames.length > 0 ? inputNames : inputs.map(layerOf),
    outputNames: outputNames.length > 0 ? outputNames : outputs.map(layerOf),
  };
}

function inOrder(op: string, names: readonly string[], inputs: ExampleInputs): Tensor[] {
  const isNamed = !(inputs instanceof Tensor) && !Array.isArray(inputs);
  const all = isNamed ? names.map((name) => inputs[name]) : [inputs].flat();
  const fits = all.length === names.length && all.every((input) => input !== undefined);
  if (fits) return all as Tensor[];
  const got = isNamed ? Object.keys(inputs).join(', ') : `${all.length} tensors`;
  throw new InvalidArgumentError(op, 'exampleInputs', `tensors for ${names.join(', ')}`, got);
}

function namedInputs(inputs: ExampleInputs): Map<string, Tensor> {
  if (inputs instanceof Tensor) return new Map([['input', inputs]]);
  if (Array.isArray(inputs)) return new Map(inputs.map((x, i) => [`input_${i}`, x]));
  return new Map(Object.entries(inputs));
}

/** @throws TraceError for what is no tensors: a promise above all. */
function named(
  op: string,
  made: unknown,
  nameOf: (index: number | null) => string,
): Map<string, Tensor> {
  const entries: [string, unknown][] =
    made instanceof Tensor
      ? [[nameOf(null), made]]
      : Array.isArray(made)
        ? made.map((x, i) => [nameOf(i), x])
        : Object.entries(made !== null && typeof made === 'object' ? made : {});
  if (entries.length > 0 && entries.every(([, x]) => x instanceof Tensor)) {
    return new Map(entries as [string, Tensor][]);
  }
  const isPromise = made instanceof Promise;
  // what becomes of it is of no interest any more
  if (isPromise) made.catch(() => {});
  const got = isPromise ? 'a promise' : describe(made);
  const problem = `the call gives ${got} where tensors are wanted`;
  const wayOut = 'Give a tensor, an array of tensors or tensors by name, without waiting.';
  throw new TraceError(op, 'the result', problem, wayOut);
}

function checkInputs(op: string, inputs: unknown): asserts inputs is ExampleInputs {
  const wanted = 'a tensor, an array of tensors, or tensors by name';
  const isObject = inputs !== null && typeof inputs === 'object';
  if (!isObject) throw new InvalidArgumentError(op, 'exampleInputs', wanted, describe(inputs));
  const all = inputs instanceof Tensor ? { '': inputs } : inputs;
  const entries = Object.entries(all);
  if (entries.length === 0) throw new InvalidArgumentError(op, 'exampleInputs', wanted, 'none');
  for (const [key, x] of entries) {
    const at = key === '' ? 'exampleInputs' : `exampleInputs.${key}`;
    if (!(x instanceof Tensor)) throw new InvalidArgumentError(op, at, wanted, describe(x));
    if (x.isDisposed) throw new InvalidArgumentError(op, at, wanted, 'a disposed tensor');
    if (!NUMERIC.includes(x.dtype)) throw new InvalidArgumentError(op, at, NUMBERS, x.dtype);
  }
}
