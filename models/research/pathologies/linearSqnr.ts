import type { GraphModel } from '@tensorflow/tfjs-converter';
import {
  add,
  dispose,
  mean,
  type NamedTensorMap,
  sub,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '@tensorflow/tfjs-core';
import { type CalibrationStats, type DescribedLinear, HadaNormError } from '../../../src/index.js';
import { sqnrDecibels } from '../../../src/math/decibels.js';

/** A linear that is measured. */
export type MeasuredLinear = Pick<DescribedLinear, 'name' | 'site' | 'shape'>;

/**
 * Output SQNR of linears in dB as `evaluateLinears` measures it, through the rewritten graph and
 * without the bias in the signal, but as if the mean's product were by the original weights: every
 * sample's mean is moved to the calibration's, whose product the plugin stores by the original
 * weights, and so only what is centered meets the rounded ones. Where nothing is centered it is
 * what `evaluateLinears` says.
 *
 * @param linears Whose sites are [samples, tokens, d].
 * @param means The statistics that the rewritten model centers by; null where it centers nothing.
 */
export async function linearSqnr(
  original: GraphModel,
  rewritten: GraphModel,
  linears: readonly MeasuredLinear[],
  batches: readonly NamedTensorMap[],
  means: CalibrationStats | null,
  signal?: AbortSignal,
): Promise<number[]> {
  const sums = linears.map(() => ({ signal: 0, error: 0 }));
  const sites = [...new Set(linears.map(({ site }) => site))];
  const names = linears.map(({ name }) => name);
  for (const batch of batches) {
    signal?.throwIfAborted();
    const values = original.execute(batch, [...sites, ...names]) as Tensor[];
    try {
      for (const [i, linear] of linears.entries()) {
        const x = values[sites.indexOf(linear.site)]!;
        const y = values[sites.length + i]!;
        addErrors(sums[i]!, original, rewritten, linear, x, y, means);
      }
    } finally {
      dispose(values);
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return sums.map(sqnrDecibels);
}

function addErrors(
  sum: { signal: number; error: number },
  original: GraphModel,
  rewritten: GraphModel,
  { name, site, shape: [, n] }: MeasuredLinear,
  x: Tensor,
  y: Tensor,
  means: CalibrationStats | null,
): void {
  tidy(() => {
    const run = (model: GraphModel, input: Tensor) =>
      (model.execute({ [site]: input }, name) as Tensor).dataSync();
    const input = means === null ? x : moved(x, means, site);
    const exact = means === null ? y.dataSync() : run(original, input);
    const result = run(rewritten, input);
    const plain = y.dataSync();
    // what nothing gives
    const bias = run(original, zeros([1, ...x.shape.slice(1)]));
    for (let i = 0; i < plain.length; i++) {
      sum.signal += (plain[i]! - bias[i % n]!) ** 2;
      sum.error += (exact[i]! - result[i]!) ** 2;
    }
  });
}

/** x [samples, tokens, d] with the calibration's mean in the place of each sample's own. */
function moved(x: Tensor, { sites }: CalibrationStats, site: string): Tensor {
  const total = sites.get(site)?.total;
  if (total === undefined) {
    throw new HadaNormError('linearSqnr', `the statistics know nothing of ${site}.`);
  }
  const to = tensor(Float32Array.from(total.sum, (sum) => sum / total.tokens));
  return add(sub(x, mean(x, 1, true)), to);
}
