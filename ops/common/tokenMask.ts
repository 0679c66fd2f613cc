import { broadcastTo, cast, notEqual, Tensor, type TensorLike } from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../numerics/errors.js';
import { toFloatTensor } from './checks.js';

/**
 * Which tokens count, float32 [..., tokens] as x [..., tokens, d] has them: all but those of 0.
 * @param given A float32, int32 or bool tensor, or numbers: [..., tokens], or what broadcasts to
 * that in front of its tokens.
 * @throws InvalidArgumentError for another dtype or shape.
 */
export function toTokenMask(
  op: string,
  given: Tensor | TensorLike,
  xShape: readonly number[],
): Tensor {
  const mask = numbersOf(op, given);
  const shape = xShape.slice(0, -1);
  const own = [...new Array<number>(Math.max(shape.length - mask.rank, 0)).fill(1), ...mask.shape];
  const fits = own.length === shape.length && own.every((dim, i) => dim === 1 || dim === shape[i]);
  if (mask.rank === 0 || !fits || own.at(-1) !== shape.at(-1)) {
    const wanted = `of shape [${shape}], or one that broadcasts to it along the samples`;
    throw new InvalidArgumentError(op, 'mask', wanted, `shape [${mask.shape}]`);
  }
  return `${mask.shape}` === `${shape}` ? mask : broadcastTo(mask, shape);
}

function numbersOf(op: string, given: Tensor | TensorLike): Tensor {
  const isCast = given instanceof Tensor && !given.isDisposed;
  if (isCast && given.dtype === 'int32') return cast(notEqual(given, 0), 'float32');
  return toFloatTensor(
    op,
    'mask',
    isCast && given.dtype === 'bool' ? cast(given, 'float32') : given,
  );
}
