import { printable, shortenName } from './format.js';

/** Names as the rows of one plot. */
export interface RowLabels {
  /**
   * What the names have in common, `*` where they differ: all of a single name, null for nothing.
   */
  readonly pattern: string | null;
  /** The rest of each name, no two alike, in the order of the names. */
  readonly labels: readonly string[];
}

/** Characters of a label. */
const WIDTH = 16;
const PATTERN_WIDTH = 42;

/**
 * Labels for the linears of one plot: of `blocks/0/proj` and `blocks/1/proj` they are `0` and `1`.
 */
export function rowLabels(names: readonly string[]): RowLabels {
  if (names.length === 1) {
    return { pattern: shortenName(printable(names[0]!), PATTERN_WIDTH), labels: [''] };
  }
  const split = names.map((name) => printable(name).match(/[^/.]+|[/.]/g) ?? ['']);
  const shortest = Math.min(...split.map((tokens) => tokens.length));
  const start = commonLength(split, shortest - 1);
  const reversed = split.map((tokens) => [...tokens].reverse());
  const end = commonLength(reversed, shortest - 1 - start);
  const rest = split.map((tokens) => tokens.slice(start, tokens.length - end).join(''));
  const first = split[0] ?? [];
  const pattern = [...first.slice(0, start), '*', ...first.slice(first.length - end)].join('');
  return {
    pattern: start + end > 0 ? shortenName(pattern, PATTERN_WIDTH) : null,
    labels: distinct(rest.map((label) => shortenName(label, WIDTH))),
  };
}

/** How many tokens all begin with, `most` at most. */
function commonLength(split: readonly (readonly string[])[], max: number): number {
  const [first = []] = split;
  let length = 0;
  while (length < max && split.every((tokens) => tokens[length] === first[length])) length++;
  return length;
}

/** Plots put equal labels into one row; a number tells them apart. */
function distinct(labels: readonly string[]): string[] {
  const taken = new Set<string>();
  return labels.map((label) => {
    let free = label;
    for (let i = 2; taken.has(free); i++) free = `${label} (${i})`;
    taken.add(free);
    return free;
  });
}
