/** The byte of a value in [−1, 1], give or take, as it is seen: clipped. */
export function byteOf(value: number): number {
  return Math.round(127.5 * Math.min(2, Math.max(0, value + 1)));
}
