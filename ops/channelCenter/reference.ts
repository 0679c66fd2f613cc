/**
 * What `channelCenterReference` returns, float64: centered [samples, tokens, d], mean [samples, d].
 */
export interface ChannelCenterReference {
  centered: Float64Array;
  mean: Float64Array;
}

/**
 * (x − mean) / scale in float64. x: [samples, tokens, d] flat, scale: [d], mean: [d] or [samples,
 * d], mask: [samples, tokens], 0 for tokens that stay out of the mean.
 */
export function channelCenterReference(
  x: ArrayLike<number>,
  tokens: number,
  d: number,
  options: {
    scale?: ArrayLike<number>;
    mean?: ArrayLike<number>;
    mask?: ArrayLike<number>;
  } = {},
): ChannelCenterReference {
  const samples = x.length / (tokens * d);
  const centered = new Float64Array(x.length);
  const mean = new Float64Array(samples * d);
  for (let s = 0; s < samples; s++) {
    for (let c = 0; c < d; c++) {
      let [sum, count] = [0, 0];
      for (let t = 0; t < tokens; t++) {
        if (options.mask?.[s * tokens + t] === 0) continue;
        sum += x[(s * tokens + t) * d + c]!;
        count++;
      }
      const given = options.mean?.[options.mean.length === d ? c : s * d + c];
      mean[s * d + c] = given ?? sum / Math.max(count, 1);
      for (let t = 0; t < tokens; t++) {
        const at = (s * tokens + t) * d + c;
        centered[at] = (x[at]! - mean[s * d + c]!) / (options.scale?.[c] ?? 1);
      }
    }
  }
  return { centered, mean };
}
