/** What the op works on, as numbers: [b, h, tokens, channels] each, flat. */
export interface AttentionNumbers {
  readonly q: ArrayLike<number>; // [b, h, queries, c]
  readonly k: ArrayLike<number>; // [b, h, keys, c]
  readonly v: ArrayLike<number>; // [b, h, keys, valueChannels]
  readonly mask?: ArrayLike<number>; // [b, h, queries, keys]
}

/** What `attentionReference` returns, float64. */
export interface AttentionReference {
  values: Float64Array; // [b, h, queries, valueChannels]
  /**
   * Σ p |v|: what rounding errors of the probabilities and the last product are proportional to.
   */
  magnitudes: Float64Array; // as values
  /**
   * The largest Σ |q k| · |scale| + |mask| of a query: what rounding errors of its scores are
   * proportional to.
   */
  scoreMagnitudes: Float64Array; // [b, h, queries]
}

/** softmax(scale · q kᵀ + mask) v in float64, output by output from its definition. */
export function attentionReference(
  { q, k, v, mask }: AttentionNumbers,
  heads: number, // b · h
  queries: number,
  keys: number,
  c: number,
  scale: number,
): AttentionReference {
  const d = v.length / (heads * keys);
  const values = new Float64Array(heads * queries * d);
  const magnitudes = new Float64Array(values.length);
  const scoreMagnitudes = new Float64Array(heads * queries);
  for (let row = 0; row < heads * queries; row++) {
    const head = Math.floor(row / queries);
    const scores: number[] = [];
    for (let key = 0; key < keys; key++) {
      const added = mask?.[row * keys + key] ?? 0;
      let score = 0;
      let magnitude = Number.isFinite(added) ? Math.abs(added) : 0;
      for (let i = 0; i < c; i++) {
        const product = scale * q[row * c + i]! * k[(head * keys + key) * c + i]!;
        score += product;
        magnitude += Math.abs(product);
      }
      scores.push(score + added);
      scoreMagnitudes[row] = Math.max(scoreMagnitudes[row]!, magnitude);
    }
    const max = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - max));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let key = 0; key < keys; key++) {
      for (let i = 0; i < d; i++) {
        const term = (weights[key]! / total) * v[(head * keys + key) * d + i]!;
        values[row * d + i] = values[row * d + i]! + term;
        magnitudes[row * d + i] = magnitudes[row * d + i]! + Math.abs(term);
      }
    }
  }
  return { values, magnitudes, scoreMagnitudes };
}
