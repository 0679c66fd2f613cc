import type { GraphModel } from '@tensorflow/tfjs-converter';
import { valuesOf } from '../../ops/common/alive.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { type Batch, inputNamed } from '../feed/batch.js';
import type { CalibrateSettings } from './settings.js';

/** Distinct timesteps without bins. */
const MAX_TIMESTEPS = 64;

/**
 * The timesteps of a batch's samples, or the middles of their bins; none where no input was named.
 * @param known Those of the batches before.
 * @throws InvalidArgumentError for numbers that are not finite, and for too many of them.
 */
export function timestepsOf(
  model: GraphModel,
  batch: Batch,
  { timestep }: Pick<CalibrateSettings, 'timestep'>,
  known: Iterable<number>,
): number[] {
  if (timestep === null) return [];
  const tensor = inputNamed(model, batch, timestep.input);
  const { bins } = timestep;
  const times = Array.from(valuesOf('calibrate', tensor), (time) => {
    if (!Number.isFinite(time)) {
      const wanted = 'an input of finite numbers';
      throw new InvalidArgumentError('calibrate', 'timestep', wanted, `${time}`);
    }
    if (bins === undefined) return time;
    const bin = Math.floor(((time - bins.min) / (bins.max - bins.min)) * bins.count);
    const at = Math.min(Math.max(bin, 0), bins.count - 1);
    return bins.min + ((at + 0.5) * (bins.max - bins.min)) / bins.count;
  });
  const all = new Set([...times, ...known]);
  if (all.size > MAX_TIMESTEPS && bins === undefined) {
    const wayOut = 'Give bins: {input, bins: {min, max, count}}.';
    const wanted = `of at most ${MAX_TIMESTEPS} distinct values`;
    throw new InvalidArgumentError('calibrate', 'timestep', wanted, `${all.size}`, wayOut);
  }
  return times;
}
