import { expect } from 'chai';
import { resamplings } from '../../../../models/research/evaluation/bootstrap.js';
import { kernelDistances } from '../../../../models/research/evaluation/kernelDistance.js';
import { InvalidArgumentError } from '../../../../src/index.js';
import { describeOnBackends } from '../../../harness/backends/onBackends.js';
import { normal } from '../../../harness/numbers/random.js';
import { expectNoLeakAsync } from '../../../harness/run/memory.js';
import { rejection } from '../../../harness/run/rejection.js';

const WIDTH = 5;

type Rows = readonly (readonly number[])[];

function rowsOf(features: Float32Array): Rows {
  return Array.from({ length: features.length / WIDTH }, (_, i) => [
    ...features.subarray(i * WIDTH, (i + 1) * WIDTH),
  ]);
}

/** Mean of (xᵀy / d + 1)³ over pairs with i ≠ j, or over all, rows counted so often. */
function meanKernel(x: Rows, y: Rows, a: ArrayLike<number>, b: ArrayLike<number>, all: boolean) {
  let [sum, pairs] = [0, 0];
  x.forEach((left, i) => {
    y.forEach((right, j) => {
      if (i === j && !all) return;
      const product = left.reduce((total, value, k) => total + value * right[k]!, 0);
      sum += a[i]! * b[j]! * (product / WIDTH + 1) ** 3;
      pairs += a[i]! * b[j]!;
    });
  });
  return sum / pairs;
}

function naive(
  x: Float32Array,
  y: Float32Array,
  paired: boolean,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): number {
  const [left, right] = [rowsOf(x), rowsOf(y)];
  return (
    meanKernel(left, left, a, a, false) +
    meanKernel(right, right, b, b, false) -
    2 * meanKernel(left, right, a, b, !paired)
  );
}

describeOnBackends('Kernel distance', () => {
  const x = normal(9 * WIDTH, 1);
  const y = normal(7 * WIDTH, 2, 0.3);

  it('is what plain loops give', async () => {
    const ones = new Array(9).fill(1);
    const [distance] = await expectNoLeakAsync(() =>
      kernelDistances({ x, y, width: WIDTH, paired: false }),
    );
    expect(distance).to.be.closeTo(naive(x, y, false, ones, ones), 1e-5);
  });

  it('of pairs leaves the pairs out of the cross term', async () => {
    const near = x.map((value, i) => value + 0.1 * normal(x.length, 3)[i]!);
    const ones = new Array(9).fill(1);
    const [distance] = await kernelDistances({ x, y: near, width: WIDTH, paired: true });
    expect(distance).to.be.closeTo(naive(x, near, true, ones, ones), 1e-5);
    const [same] = await kernelDistances({ x, y: x, width: WIDTH, paired: true });
    expect(same, 'to itself').to.be.closeTo(0, 1e-6);
  });

  it('of resamplings is that of rows counted so often, never a row with its own copy', async () => {
    const counts = { x: resamplings(9, 3, 5), y: resamplings(7, 3, 6) };
    const distances = await kernelDistances({ x, y, width: WIDTH, counts, paired: false });
    expect(distances).to.have.length(3);
    distances.forEach((distance, i) => {
      expect(distance).to.be.closeTo(naive(x, y, false, counts.x[i]!, counts.y[i]!), 1e-5);
    });
  });

  it('over more rows than are held at a time is the same', async () => {
    const [many, others] = [normal(530 * WIDTH, 7), normal(40 * WIDTH, 8, 0.2)];
    const ones = new Array(530).fill(1);
    const [distance] = await kernelDistances({ x: many, y: others, width: WIDTH, paired: false });
    expect(distance).to.be.closeTo(naive(many, others, false, ones, ones), 1e-5);
  });

  it('is unbiased: 0 on average between draws of one distribution, below 0 in some', async () => {
    const drawn = Array.from({ length: 60 }, (_, i) =>
      kernelDistances({
        x: normal(20 * WIDTH, 100 + i),
        y: normal(20 * WIDTH, 500 + i),
        width: WIDTH,
        paired: false,
      }),
    );
    const draws = (await Promise.all(drawn)).flat();
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
    const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 59;
    expect(Math.min(...draws)).to.be.below(0);
    expect(Math.abs(mean)).to.be.below(3.5 * Math.sqrt(variance / draws.length));
  });
});

describe('Kernel distance, wrong sets', () => {
  const right = { x: new Float32Array(10), y: new Float32Array(15), width: WIDTH, paired: false };

  it('are refused: a row, half a row, pairs of unlike length, unlike counts', async () => {
    const counts = { x: resamplings(2, 2, 1), y: resamplings(3, 1, 1) };
    for (const [changes, message] of [
      [{ x: new Float32Array(5) }, 'x must be two rows'],
      [{ y: new Float32Array(12) }, 'y must be'],
      [{ paired: true }, 'y must be 2 rows'],
      [{ counts }, 'counts.y must be 2 rows, got 1'],
    ] as const) {
      const error = await rejection(kernelDistances({ ...right, ...changes }));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.include(message);
    }
  });
});
