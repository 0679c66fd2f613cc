import { layerNormReference } from '../../../ops/modulatedLayerNorm/reference.js';
import { modulatedLayerNorm } from '../../../src/index.js';
import { EPS } from '../../harness/numbers/compare.js';
import { sizeOf } from '../../harness/numbers/random.js';
import type { Output } from '../guard/runs.js';
import type { Given, OpSubject, Values } from './given.js';
import { all, firstOff, flagsFor, floats, isFloat, magnitudeOf, shapeOff, some } from './kit.js';

const PARTS = { gamma: 'hasGamma', beta: 'hasBeta', factor: 'hasFactor', shift: 'hasShift' };

export const layerNormSubject: OpSubject = {
  name: 'ModulatedLayerNorm',
  attrs: ['epsilon', 'center'],
  make: (random) => {
    const shape = [...random.pick([[], [3], [2, 5], [2, 2, 3]]), random.between(1, 40)];
    const d = shape.at(-1)!;
    const modulation = () => {
      const kept = random.below(shape.length);
      const rows = shape.slice(0, -1).map((length, axis) => (axis < kept ? length : 1));
      return floats(random, random.chance(0.8) ? [...rows, d] : [d], 1);
    };
    const vectors = { gamma: () => floats(random, [d], 1), beta: () => floats(random, [d]) };
    return {
      tensors: {
        x: floats(random, shape),
        ...some(random, { ...vectors, factor: modulation, shift: modulation }),
      },
      attrs: {
        ...(random.chance(0.5) ? { epsilon: random.pick([1e-6, 1e-5, 0.1, 1]) } : {}),
        ...(random.chance(0.4) ? { center: random.chance(0.5) } : {}),
      },
    };
  },
  legal: ({
    tensors: { x, gamma, beta, factor, shift },
    attrs: { epsilon = 0, center = true },
  }) => {
    if (!isFloat(x) || (x!.shape.at(-1) ?? 0) === 0) return false;
    const d = x!.shape.at(-1)!;
    return all(
      typeof epsilon === 'number' && epsilon >= 0 && Number.isFinite(epsilon),
      typeof center === 'boolean',
      gamma === undefined || isFloat(gamma, [d]),
      beta === undefined || isFloat(beta, [d]),
      ...[factor, shift].map((part) => {
        if (part === undefined) return true;
        return isFloat(part) && broadcastShape(x!.shape, part.shape) !== null;
      }),
      // the two may not broadcast with each other
      resultShape(x!, factor, shift) === null ? null : true,
    );
  },
  call: ({ x, ...parts }, attrs) => [modulatedLayerNorm(x!, { ...attrs, ...parts })],
  node: (given) => {
    const { inputs, flags } = flagsFor(given, PARTS);
    return { inputs: ['x', ...inputs], flags };
  },
  check: checkLayerNorm,
};

function checkLayerNorm({ tensors, attrs }: Given, [y]: readonly Output[]): string | null {
  const { x, gamma, beta, factor, shift } = tensors;
  const shape = resultShape(x!, factor, shift);
  const wrong = shape === null ? 'what cannot be was taken' : shapeOff('y', y, shape);
  if (wrong !== null || y!.values.length === 0) return wrong;
  const { epsilon = 1e-6, center = true } = attrs as { epsilon?: number; center?: boolean };
  const d = x!.shape.at(-1)!;
  const given = {
    ...{ x: x!.values },
    ...(gamma === undefined ? {} : { gamma: gamma.values }),
    ...(beta === undefined ? {} : { beta: beta.values }),
  };
  const normed = layerNormReference(given, d, epsilon, center);
  const at = (values: ArrayLike<number>, own: readonly number[], i: number) =>
    values[indexIn(own, shape!, i)]!;
  const wanted = Float64Array.from(y!.values, (_, i) => {
    const scaled = at(normed, x!.shape, i) * (factor ? at(factor.values, factor.shape, i) : 1);
    return scaled + (shift ? at(shift.values, shift.shape, i) : 0);
  });
  const affine = Math.sqrt(d) * (gamma ? magnitudeOf(gamma) : 1) + magnitudeOf(beta);
  const size = affine * (factor ? magnitudeOf(factor) : 1) + magnitudeOf(shift);
  // the mean's rounding is as large as x, and is divided by the deviation
  const least = epsilon + smallestVariance(x!, d, center);
  if (least < 1e-12) return null;
  const spread = 1 + magnitudeOf(x) / Math.sqrt(least);
  return firstOff('y', y!.values, wanted, () => 4 * (d + 16) * EPS * size * spread);
}

function smallestVariance({ values }: Values, d: number, center: boolean): number {
  let least = Number.POSITIVE_INFINITY;
  for (let begin = 0; begin < values.length; begin += d) {
    const row = [...values.subarray(begin, begin + d)];
    const mean = center ? row.reduce((sum, v) => sum + v, 0) / d : 0;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / d;
    if (variance < least) least = variance;
  }
  return least;
}

function resultShape(x: Values, factor?: Values, shift?: Values): number[] | null {
  const scaled = factor === undefined ? [...x.shape] : broadcastShape(x.shape, factor.shape);
  if (scaled === null || shift === undefined) return scaled;
  return broadcastShape(scaled, shift.shape);
}

function broadcastShape(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length);
  const shape = Array.from({ length: rank }, (_, i) => {
    const [p, q] = [a.at(i - rank), b.at(i - rank)].map((length) => length ?? 1) as [
      number,
      number,
    ];
    return p === q || q === 1 ? p : p === 1 ? q : Number.NaN;
  });
  return shape.some(Number.isNaN) ? null : shape;
}

/** Where element `i` of a result is in what was broadcast to it. */
function indexIn(own: readonly number[], shape: readonly number[], i: number): number {
  let rest = i;
  let index = 0;
  let step = 1;
  for (let fromEnd = 1; fromEnd <= shape.length; fromEnd++) {
    const at = rest % shape.at(-fromEnd)!;
    rest = (rest - at) / shape.at(-fromEnd)!;
    const length = own.at(-fromEnd) ?? 1;
    index += (length === 1 ? 0 : at) * step;
    step *= length;
  }
  return sizeOf(own) === 0 ? 0 : index;
}
