import { channelCenterReference } from '../../../ops/channelCenter/reference.js';
import { hadamardTransformReference } from '../../../ops/hadamardTransform/reference.js';
import { findHadamardPlan } from '../../../ops/numerics/hadamard.js';
import { channelCenter, hadamardTransform } from '../../../src/index.js';
import { EPS } from '../../harness/numbers/compare.js';
import type { Output } from '../guard/runs.js';
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
  magnitudeOf,
  maskFor,
  maskOfAll,
  shapeOff,
  some,
} from './kit.js';

/** Last axes with a matrix, of every kind of factor. */
const SIZES = [1, 2, 4, 8, 12, 16, 20, 24, 28, 36, 40, 48, 60, 76, 100, 128, 140];

export const channelCenterSubject: OpSubject = {
  name: 'ChannelCenter',
  attrs: [],
  make: (random) => {
    const d = random.between(1, 33);
    const shape = [...random.pick([[], [2], [1, 3]]), random.between(1, 9), d];
    const means = () => floats(random, random.pick([[d], [...shape.slice(0, -2), 1, d]]));
    const mask = () => maskFor(random, shape);
    return {
      attrs: {},
      tensors: {
        x: floats(random, shape, 1),
        ...some(random, { scale: () => divisors(random, d) }),
        ...some(random, random.chance(0.5) ? { mean: means } : { mask }),
      },
    };
  },
  legal: ({ tensors: { x, scale, mean, mask } }) => {
    if (!isFloat(x) || x!.shape.length < 2 || x!.shape.at(-2) === 0) return false;
    const d = x!.shape.at(-1)!;
    const meanShape = [...x!.shape.slice(0, -2), 1, d];
    return all(
      scale === undefined || isFloat(scale, [d]),
      mean === undefined || isFloat(mean, [d]) || isFloat(mean, meanShape),
      mask === undefined || (mean === undefined && isMask(mask, x!.shape)),
    );
  },
  call: ({ x, ...vectors }) => {
    const { centered, mean } = channelCenter(x!, vectors);
    return [centered, mean];
  },
  node: (given) => {
    const { inputs, flags } = flagsFor(given, {
      ...{ scale: 'hasScale', mean: 'hasMean', mask: 'hasMask' },
    });
    return { inputs: ['x', ...inputs], flags };
  },
  check: checkCentered,
};

function checkCentered({ tensors }: Given, [centered, mean]: readonly Output[]): string | null {
  const { x, scale } = tensors;
  const [tokens, d] = x!.shape.slice(-2) as [number, number];
  const wrong =
    shapeOff('centered', centered, x!.shape) ??
    shapeOff('mean', mean, [...x!.shape.slice(0, -2), 1, d]);
  if (wrong !== null || x!.values.length === 0) return wrong;
  const { mask } = tensors;
  const given = {
    ...(mask === undefined ? {} : { mask: maskOfAll(mask, x!.shape) }),
    ...(scale === undefined ? {} : { scale: scale.values }),
    ...(tensors.mean === undefined ? {} : { mean: tensors.mean.values }),
  };
  const exact = channelCenterReference(x!.values, tokens, d, given);
  const error = (tokens + 8) * EPS * (magnitudeOf(x) + magnitudeOf(tensors.mean));
  const divisor = (i: number) => Math.abs(scale?.values[i % d] ?? 1);
  return (
    firstOff('mean', mean!.values, exact.mean, () => error) ??
    firstOff('centered', centered!.values, exact.centered, (i) => {
      return error / divisor(i) + 4 * EPS * Math.abs(exact.centered[i]!);
    })
  );
}

export const hadamardTransformSubject: OpSubject = {
  name: 'HadamardTransform',
  attrs: ['transpose', 'blockSize'],
  make: (random) => {
    const blockSize = random.pick(SIZES);
    const blocks = random.chance(0.7) ? 1 : random.between(2, 4);
    const rows = random.pick([[], [1], [3], [17], [2, 5]]);
    return {
      tensors: { x: floats(random, [...rows, blocks * blockSize]) },
      attrs: {
        ...(random.chance(0.5) ? { transpose: random.chance(0.5) } : {}),
        ...(blocks > 1 || random.chance(0.3) ? { blockSize } : {}),
      },
    };
  },
  legal: ({ tensors: { x }, attrs: { transpose, blockSize } }) => {
    if (!isFloat(x) || x!.shape.length < 1) return false;
    const n = x!.shape.at(-1)!;
    const block = blockSize === undefined ? n : blockSize;
    return all(
      transpose === undefined || typeof transpose === 'boolean',
      isLength(block, 1) && n > 0 && n % (block as number) === 0,
      isLength(block, 1, 2 ** 20) && findHadamardPlan(block as number) !== null,
    );
  },
  call: ({ x }, attrs) => [hadamardTransform(x!, attrs)],
  node: () => ({ inputs: ['x'], flags: {} }),
  check: ({ tensors: { x }, attrs }, [y]) => {
    const wrong = shapeOff('y', y, x!.shape);
    if (wrong !== null || x!.values.length === 0) return wrong;
    const block = (attrs.blockSize as number | undefined) ?? x!.shape.at(-1)!;
    const exact = hadamardTransformReference(x!.values, block, attrs.transpose === true);
    const bound = (Math.sqrt(block) + 8) * EPS * magnitudeOf(x) * Math.sqrt(block);
    return firstOff('y', y!.values, exact, () => bound);
  },
};
