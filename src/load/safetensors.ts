import { checkBytes } from '../../ops/common/checks.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { cutHeader, entriesOf, headerBytesOf, widened } from './safetensorsHeader.js';

const OP = 'parseSafetensors';

/**
 * Reads a safetensors file: its tensors by name, widened to float32.
 *
 * @param bytes The whole file. Tensors of F16, BF16 and F32 are read; tensors must fill the data
 * without gaps or overlaps.
 * @throws HadaNormError for a file that is cut off or whose header is no header, or holds a name
 * twice.
 * @throws InvalidArgumentError for a tensor that is described wrongly, overlaps another, or has
 * another dtype.
 */
export function parseSafetensors(bytes: Uint8Array): Map<string, WeightValues> {
  checkBytes(OP, 'bytes', bytes, 'the whole file');
  const headerBytes = headerBytesOf(bytes);
  const start = 8 + headerBytes;
  if (start > bytes.length) throw cutHeader(headerBytes);
  const entries = entriesOf(bytes.subarray(8, start), bytes.length - start);
  return new Map(
    entries.map((entry) => {
      const own = bytes.subarray(start + entry.begin, start + entry.end);
      return [entry.name, { shape: entry.shape, values: widened(entry, own) }];
    }),
  );
}

/**
 * All tensors of several shards. @throws InvalidArgumentError for a name that is in two of them.
 */
export function mergeShards(
  shards: readonly ReadonlyMap<string, WeightValues>[],
): Map<string, WeightValues> {
  const all = new Map<string, WeightValues>();
  for (const [i, shard] of shards.entries()) {
    for (const [name, weight] of shard) {
      if (all.has(name)) {
        const got = `${JSON.stringify(name)} again in shard ${i}`;
        throw new InvalidArgumentError('mergeShards', 'shards', 'of different tensors', got);
      }
      all.set(name, weight);
    }
  }
  return all;
}

/** A weight: its shape, and its values in row-major order. */
export interface WeightValues {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}
