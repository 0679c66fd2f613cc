import { fakeQuantReference } from '../../../ops/fakeQuant/reference.js';
import { findHadamardPlan } from '../../../ops/numerics/hadamard.js';
import type { Granularity } from '../../../ops/numerics/quantization.js';
import { fakeQuant, hadaNormQuantize } from '../../../src/index.js';
import { EPS } from '../../harness/numbers/compare.js';
import type { Random } from '../base/random.js';
import type { Output } from '../guard/runs.js';
import { checkQuantized } from './checkQuantized.js';
import type { Given, OpSubject } from './given.js';
import {
  all,
  divisors,
  firstOff,
  flagsFor,
  floats,
  isFloat,
  isLength,
  isMask,
  isRange,
  maskFor,
  numberOr,
  pickKeys,
  rangeOption,
  shapeOff,
  some,
} from './kit.js';

export const fakeQuantSubject: OpSubject = {
  name: 'FakeQuant',
  attrs: ['bits', 'symmetric', 'granularity', 'axis', 'groupSize', 'rangeMin', 'rangeMax'],
  make: (random) => {
    const shape = random.pick([[1], [7], [3, 8], [2, 5, 12], [2, 3, 4, 9], [6, 33]]);
    const kind = random.pick(['perTensor', 'perToken', 'perChannel', 'perGroup']);
    return {
      tensors: { x: floats(random, shape) },
      attrs: {
        ...quantizerAttrs(random, 16),
        granularity: kind,
        ...(kind === 'perGroup' ? { groupSize: random.between(1, 9) } : {}),
        ...(random.chance(0.3) ? { axis: random.between(-shape.length, shape.length - 1) } : {}),
        ...(random.chance(0.2) ? { rangeMin: -1, rangeMax: 1.25 } : {}),
      },
    };
  },
  legal: ({ tensors: { x }, attrs }) => {
    if (!isFloat(x)) return false;
    const { granularity: kind = 'perToken', axis = -1, bits = 8, symmetric = false } = attrs;
    const { rank } = { rank: x!.shape.length };
    const known = ['perTensor', 'perToken', 'perChannel', 'perGroup'].includes(kind as string);
    const along = kind === 'perChannel' || kind === 'perGroup';
    return all(
      isLength(bits, 2, 16) && typeof symmetric === 'boolean' && known,
      kind === 'perTensor' || rank > 0,
      along ? isLength(axis, -rank, rank - 1) : typeof axis === 'number' || null,
      kind !== 'perGroup' || isLength(attrs.groupSize, 1),
      x!.values.length === 0 ? null : isRange(attrs),
    );
  },
  call: ({ x }, attrs) => {
    const options = { ...pickKeys(attrs, ['bits', 'symmetric']), ...rangeOption(attrs) };
    return [fakeQuant(x!, { ...options, granularity: granularityOf(attrs) })];
  },
  node: () => ({ inputs: ['x'], flags: {} }),
  check: checkFakeQuant,
};

/** As a graph has it: what a kind does not take is not read. */
function granularityOf(attrs: Given['attrs']): Granularity {
  const { granularity = 'perToken', axis = -1, groupSize } = attrs;
  const more = {
    ...(granularity === 'perChannel' || granularity === 'perGroup' ? { axis } : {}),
    ...(granularity === 'perGroup' ? { groupSize } : {}),
  };
  return { kind: granularity, ...more } as Granularity;
}

function checkFakeQuant({ tensors: { x }, attrs }: Given, [y]: readonly Output[]): string | null {
  const wrong = shapeOff('y', y, x!.shape);
  if (wrong !== null || x!.values.length === 0) return wrong;
  const { bits = 8, symmetric = false } = attrs as { bits?: number; symmetric?: boolean };
  const granularity = granularityOf(attrs);
  const options = { bits, symmetric, granularity, ...rangeOption(attrs) };
  const exact = fakeQuantReference(x!.values, x!.shape, options);
  return firstOff('y', y!.values, exact.values, (i) => {
    const rounded = 4 * EPS * Math.abs(exact.values[i]!);
    // near a tie it may be the next code; at the ends the zero point's tie decides
    const ties = [exact.quotients[i]!, exact.zeroPoints[i]!].map((v) => {
      return Math.abs(Math.abs(v - Math.trunc(v)) - 0.5) <= 8 * EPS * Math.max(1, Math.abs(v));
    });
    return ties.includes(true) ? exact.scale[i]! * (1 + 1e-6) + rounded : rounded;
  });
}

function quantizerAttrs(random: Random, mostBits: number): Record<string, unknown> {
  return {
    ...(random.chance(0.8) ? { bits: random.between(2, mostBits) } : {}),
    ...(random.chance(0.5) ? { symmetric: random.chance(0.5) } : {}),
  };
}

export const hadaNormQuantizeSubject: OpSubject = {
  name: 'HadaNormQuantize',
  attrs: [
    ...['bits', 'symmetric', 'groupSize', 'blockSize', 'center', 'rangeMin', 'rangeMax'],
    'subtract',
  ],
  make: makeHadaNorm,
  legal: legalHadaNorm,
  call: ({ x, ...vectors }, attrs) => {
    const keys = ['bits', 'symmetric', 'groupSize', 'blockSize', 'center', 'subtract'];
    const options = { ...pickKeys(attrs, keys), ...rangeOption(attrs), ...vectors };
    const { quantized, residual, coefficients, along } = hadaNormQuantize(x!, options);
    const { codes, scale, zeroPoint } = quantized;
    const means = [residual, coefficients, along];
    return [codes, scale, zeroPoint, ...means].filter((output) => output !== null);
  },
  node: (given) => {
    const names = { scale: 'hasScale', mean: 'hasMean', basis: 'hasBasis', mask: 'hasMask' };
    const { inputs, flags } = flagsFor(given, { ...names, directions: 'hasDirections' });
    return { inputs: ['x', ...inputs], flags };
  },
  check: checkQuantized,
};

function makeHadaNorm(random: Random): Given {
  const d = random.pick([1, 4, 5, 8, 12, 16, 20, 24, 33, 40, 64, 96]);
  const shape = [...random.pick([[], [2], [2, 2]]), random.between(1, 9), d];
  const center = random.pick(['dynamic', 'dynamic', 'static', 'none']);
  const rank = random.between(1, Math.min(d, 5));
  const mean = () => floats(random, [d]);
  const grouped = random.chance(0.4);
  const alongRank = random.chance(0.4) ? random.between(1, 18) : 0;
  const directions = () => floats(random, [d, alongRank], 0, 1 / Math.sqrt(d));
  return {
    tensors: {
      x: floats(random, shape, 0.4),
      ...(alongRank > 0 ? { directions: directions() } : {}),
      ...some(random, { scale: () => divisors(random, d) }),
      ...(center === 'static' ? { mean: mean() } : {}),
      ...(center !== 'dynamic'
        ? {}
        : some(random, {
            mean,
            basis: () => floats(random, [rank, d], 0, 1 / Math.sqrt(d)),
            mask: () => maskFor(random, shape),
          })),
    },
    attrs: {
      ...quantizerAttrs(random, 8),
      center,
      ...(findHadamardPlan(d) === null || random.chance(0.2) ? { blockSize: 0 } : {}),
      ...(grouped ? { groupSize: random.between(1, d + 4) } : {}),
      ...(!grouped && random.chance(0.2) ? { rangeMin: -1, rangeMax: 1.5 } : {}),
      ...(alongRank > 0 && random.chance(0.5) ? { subtract: true } : {}),
    },
  };
}

function legalHadaNorm({ tensors, attrs }: Given): boolean | null {
  const { x, scale, mean, basis, mask, directions } = tensors;
  if (!isFloat(x) || x!.shape.length < 2 || x!.shape.slice(-2).includes(0)) return false;
  const d = x!.shape.at(-1)!;
  const { bits = 8, symmetric = false, center = 'dynamic' } = attrs;
  const { groupSize = d, blockSize = d, subtract = false } = attrs;
  const isBlock =
    isLength(blockSize, 0, 2 ** 20) && (blockSize === 0 || d % (blockSize as number) === 0);
  const ranged = attrs.rangeMin !== undefined || attrs.rangeMax !== undefined;
  return all(
    isLength(bits, 2, 8) && typeof symmetric === 'boolean' && isLength(groupSize, 1),
    ['dynamic', 'static', 'none'].includes(center as string),
    isBlock && (blockSize === 0 || findHadamardPlan(blockSize as number) !== null),
    isRange(attrs) && !(ranged && numberOr(groupSize) < d),
    scale === undefined || isFloat(scale, [d]),
    mean === undefined ? center !== 'static' : isFloat(mean, [d]) && center !== 'none',
    basis === undefined ||
      (center === 'dynamic' && isFloat(basis, [basis.shape[0]!, d]) && basis.values.length > 0),
    mask === undefined || (center === 'dynamic' && isMask(mask, x!.shape)),
    typeof subtract === 'boolean' && (directions !== undefined || !subtract),
    directions === undefined ||
      (isFloat(directions, [d, directions.shape[1] ?? 0]) && directions.values.length > 0),
  );
}
