/** Labels spread evenly over the classes of a model. */
export function spreadLabels(count: number, classes: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((i * classes) / count));
}
