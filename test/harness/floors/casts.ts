import { type ESTree, parseSync, Visitor } from 'vite';

/** Where casts from tfjs's untyped kernels live. */
export const CASTS_LIVE_IN = 'ops/common/kernel.ts';

/** Words by which a tool is told to look away. */
const SUPPRESSION = /@ts-(ignore|expect-error|nocheck)|biome-ignore|eslint-disable/;

/** What a file does to get past the types, each with its line and the way out. */
export function castsOf(file: string, text: string): string[] {
  const { program, comments } = parseSync(file, text, { lang: 'ts' });
  const found: [at: number, what: string][] = [];
  new Visitor({
    TSAnyKeyword: ({ start }) => found.push([start, 'says any; write the type, or unknown']),
    TSAsExpression: ({ start, expression }) => {
      if (!isUnknown(expression) || file === CASTS_LIVE_IN) return;
      found.push([
        start,
        `casts by way of unknown; what tfjs leaves untyped is in ${CASTS_LIVE_IN}`,
      ]);
    },
  }).visit(program);
  for (const { start, value } of comments) {
    if (SUPPRESSION.test(value)) found.push([start, 'has a tool look away; mend what it says']);
  }
  return found.map(([at, what]) => `${file}:${text.slice(0, at).split('\n').length} ${what}.`);
}

/** `x as unknown`, or `<unknown>x`, in parentheses or not. */
function isUnknown(expression: ESTree.Expression): boolean {
  if (expression.type === 'ParenthesizedExpression') return isUnknown(expression.expression);
  return (
    (expression.type === 'TSAsExpression' || expression.type === 'TSTypeAssertion') &&
    expression.typeAnnotation.type === 'TSUnknownKeyword'
  );
}
