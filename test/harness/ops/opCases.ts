import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { describeOnBackends } from '../backends/onBackends.js';
import { expectEvery } from '../numbers/compare.js';
import {
  analyticGradients,
  lossWeights,
  numericGradient,
  toTensor,
  type Values,
} from '../numbers/gradient.js';
import { expectNoLeak } from '../run/memory.js';

/**
 * One row of an op's case table: it runs on every backend, forward, gradient, poisoned and counted.
 */
export interface OpCase {
  /** The fact that this case shows. */
  readonly name: string;
  readonly inputs: readonly Values[];
  readonly run: (inputs: tf.Tensor[]) => tf.Tensor[];
  /** The shapes of the outputs. */
  readonly shapes: readonly (readonly number[])[];
  /** Checks the outputs against the float64 reference. */
  readonly check: (outputs: Float32Array[]) => void;
  /** Absent: the case has no gradient to check. */
  readonly gradient?: GradientCheck;
  /**
   * The outputs' elements that must be NaN when x[element] is; all others must not change by a bit.
   */
  readonly poison?: { element: number; reaches: (output: number, element: number) => boolean };
}

/** Central differences of the reference against tfjs's gradient, at a sample of elements. */
export interface GradientCheck {
  readonly reference: (inputs: Float64Array[]) => Float64Array[];
  /** Half the difference's width; a function where elements differ. */
  readonly step: number | ((which: number, element: number) => number);
  readonly tolerance: number;
  /** Elements of input `which` where the reference has a derivative. Default all. */
  readonly smoothAt?: (which: number, element: number) => boolean;
}

/** Runs a case table on every backend. */
export function runOpCases(op: string, cases: readonly OpCase[]): void {
  describeOnBackends(op, () => {
    for (const row of cases) {
      it(row.name, () => forward(row));
      if (row.gradient !== undefined) {
        it(`${row.name}: gradient`, () => gradient(row, row.gradient!));
      }
      if (row.poison !== undefined) {
        it(`${row.name}: a NaN stays where it belongs`, () => poison(row, row.poison!));
      }
    }
  });
}

function forward(row: OpCase): void {
  const { outputs, shapes } = expectNoLeak(() => evaluate(row, row.inputs));
  expect(shapes, 'output shapes').to.deep.equal(row.shapes);
  row.check(outputs);
}

function gradient(row: OpCase, check: GradientCheck): void {
  const weights = lossWeights(row.shapes);
  const analytic = expectNoLeak(() => analyticGradients(row.run, row.inputs, weights));
  let checked = 0;
  row.inputs.forEach(({ values }, which) => {
    // every element of a small input, a spread of a large one
    const stride = Math.max(1, Math.floor(values.length / 24));
    for (let element = 0; element < values.length; element += stride) {
      if (check.smoothAt?.(which, element) === false) continue;
      const at: [number, number] = [which, element];
      const step = typeof check.step === 'number' ? check.step : check.step(which, element);
      const numeric = numericGradient(check.reference, row.inputs, weights, at, step);
      const tolerance = check.tolerance * Math.max(1, Math.abs(numeric));
      const what = `d loss / d input ${which} [${element}]`;
      expect(analytic[which]![element], what).to.be.closeTo(numeric, tolerance);
      checked++;
    }
  });
  expect(checked, 'elements checked').to.be.above(0);
}

function poison(row: OpCase, { element, reaches }: NonNullable<OpCase['poison']>): void {
  const [x, ...others] = row.inputs;
  const poisoned = { shape: x!.shape, values: x!.values.slice() };
  poisoned.values[element] = Number.NaN;
  const clean = evaluate(row, row.inputs).outputs;
  const { outputs } = expectNoLeak(() => evaluate(row, [poisoned, ...others]));
  outputs.forEach((values, output) => {
    expectEvery(values.length, (i) => {
      const [value, was] = [values[i]!, clean[output]![i]!];
      const isRight = reaches(output, i) ? Number.isNaN(value) : value === was;
      return isRight ? null : `output ${output} [${i}] is ${value}, and was ${was} without the NaN`;
    });
  });
}

function evaluate(
  row: OpCase,
  inputs: readonly Values[],
): { outputs: Float32Array[]; shapes: number[][] } {
  const tensors = inputs.map(toTensor);
  const results = row.run(tensors);
  const outputs = results.map((result) => result.dataSync() as Float32Array);
  const shapes = results.map(({ shape }) => shape);
  tf.dispose([tensors, results]);
  return { outputs, shapes };
}
