import { describe, InvalidArgumentError } from '../numerics/errors.js';
import type { Granularity } from '../numerics/quantization.js';
import { checkOptions, normalizeAxis } from './checks.js';
import { checkLength } from './sizes.js';

/**
 * Checks a granularity against a shape and gives it with its axis counted from the front.
 * @throws InvalidArgumentError for an unknown kind, a bad axis or group size, or a shape without
 * that axis.
 */
export function resolveGranularity(
  op: string,
  granularity: Granularity,
  shape: readonly number[],
): Granularity {
  checkOptions(op, granularity, ['kind', 'axis', 'groupSize'], 'granularity');
  const { kind } = granularity;
  if (kind !== 'perTensor' && shape.length === 0) {
    const wanted = 'perTensor for a scalar x';
    throw new InvalidArgumentError(op, 'granularity', wanted, describe(kind));
  }
  switch (kind) {
    case 'perTensor':
    case 'perToken':
      checkOptions(op, granularity, ['kind'], `granularity ${kind}`);
      return { kind };
    case 'perChannel': {
      checkOptions(op, granularity, ['kind', 'axis'], `granularity ${kind}`);
      const { axis = -1 } = granularity;
      return { kind, axis: normalizeAxis(op, 'axis', axis, shape.length) };
    }
    case 'perGroup': {
      const { axis: given = -1 } = granularity;
      const axis = normalizeAxis(op, 'axis', given, shape.length);
      checkLength(op, 'groupSize', granularity.groupSize);
      return { kind, axis, groupSize: granularity.groupSize };
    }
    default: {
      const wanted = 'perTensor, perChannel, perToken or perGroup';
      throw new InvalidArgumentError(
        op,
        'granularity.kind',
        wanted,
        describe(kind satisfies never),
      );
    }
  }
}
