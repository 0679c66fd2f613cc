import type { GraphModel } from '@tensorflow/tfjs-converter';
import { backend, dispose, type Tensor, type TypedArray } from '@tensorflow/tfjs-core';
import { valuesOf } from '../../ops/common/alive.js';
import { describe } from '../../ops/numerics/errors.js';
import { TraceError } from './base/errors.js';

/** ‖y − reference‖ / ‖reference‖ that rounding may make, in floats of 32 and of 16 bits. */
const FLOAT32_ERROR = 1e-4;
const FLOAT16_ERROR = 2e-2;

/**
 * Runs a model on what the call was run on.
 * @throws TraceError where it gives something else.
 */
export function checkSame(
  op: string,
  model: GraphModel,
  inputs: ReadonlyMap<string, Tensor>,
  results: ReadonlyMap<string, Tensor>,
): void {
  const made = [model.execute(Object.fromEntries(inputs))].flat();
  try {
    for (const [i, [name, wanted]] of [...results].entries()) {
      const got = made[i]!;
      const shapes = got.shape.join() === wanted.shape.join() && got.dtype === wanted.dtype;
      const error = shapes
        ? differenceOf(valuesOf(op, got) as TypedArray, valuesOf(op, wanted) as TypedArray)
        : Number.POSITIVE_INFINITY;
      if (error <= boundOf(got)) continue;
      const what = `the output ${describe(name)}`;
      const problem = `${what} of the graph is not that of the call (relative error ${error})`;
      const wayOut =
        'What the call does must hang on its inputs alone; otherwise this is a bug to report.';
      throw new TraceError(op, what, problem, wayOut);
    }
  } finally {
    dispose(made);
  }
}

function boundOf({ dtype }: Tensor): number {
  if (dtype !== 'float32') return 0;
  return backend().floatPrecision() === 32 ? FLOAT32_ERROR : FLOAT16_ERROR;
}

/** ‖y − reference‖ / ‖reference‖; infinite where what is not finite is not the same. */
export function differenceOf(y: TypedArray, reference: TypedArray): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < reference.length; i++) {
    const [a, b] = [y[i]!, reference[i]!];
    if (!Number.isFinite(b) || !Number.isFinite(a)) {
      if (!Object.is(a, b)) return Number.POSITIVE_INFINITY;
      continue;
    }
    error += (a - b) ** 2;
    size += b ** 2;
  }
  return error === 0 ? 0 : Math.sqrt(error / size);
}
