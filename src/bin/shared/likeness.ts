/** How much alike two streams of numbers are. */
export interface LikenessFigures {
  /** 10 log10 of the energy of the first over that of the difference; Infinity where equal. */
  readonly sqnr: number;
  readonly cosine: number;
  /** The largest difference. */
  readonly maxError: number;
}

/** Sums over the outputs of an original and of what was made of it. */
export class Likeness {
  private signal = 0;
  private other = 0;
  private product = 0;
  private noise = 0;
  private maxError = 0;

  add(exact: ArrayLike<number>, other: ArrayLike<number>): void {
    for (let i = 0; i < exact.length; i++) {
      const [a, b] = [exact[i]!, other[i]!];
      this.signal += a * a;
      this.other += b * b;
      this.product += a * b;
      this.noise += (a - b) ** 2;
      // NaN stays: it is the worst error
      if (!(Math.abs(a - b) <= this.maxError)) this.maxError = Math.abs(a - b);
    }
  }

  figures(): LikenessFigures {
    const { signal, other, product, noise, maxError } = this;
    const sqnr = noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
    return { sqnr, cosine: product / Math.sqrt(signal * other), maxError };
  }
}
