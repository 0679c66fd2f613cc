import type { RecipeRule } from './recipe.js';

/** How many linears rules give what. */
export function countsOf(rules: readonly RecipeRule[]): string {
  const few = rules.filter(({ weights }) => weights !== undefined).length;
  const ranks = rules.length - few;
  const linears = (count: number) => `${count} ${count === 1 ? 'linear' : 'linears'}`;
  return [
    ...(few > 0 ? [`${linears(few)} in 8 bits`] : []),
    ...(ranks > 0 ? [`${linears(ranks)} with a branch of another rank`] : []),
  ].join(', ');
}
