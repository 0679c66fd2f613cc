/**
 * Signal to quantization noise, 10 log10(Σ signal² / Σ error²), in dB; Infinity where nothing is
 * lost.
 */
export interface Sqnr {
  /** Of the linear's input, its error taken back to the input's own channels. */
  readonly activations: number;
  /** Of the weights, as they act on the linear's input. */
  readonly weights: number;
  /** Of the product X W, the bias left out. */
  readonly output: number;
}

/** Counts of channels by their largest magnitude: bin i holds [edges[i], edges[i + 1]). */
export interface Histogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}
