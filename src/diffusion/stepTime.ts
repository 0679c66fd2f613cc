/** Median of the times of steps: the first warms up, and counts only where it is alone. */
export function medianStep(times: readonly number[]): number {
  const timed = times.length === 1 ? times : times.slice(1);
  return [...timed].sort((a, b) => a - b)[timed.length >> 1]!;
}
