import { readFile } from 'node:fs/promises';
import { HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import type { RewriteOptions, Rule } from '../../rewrite/options.js';
import { PRESETS, type PresetName } from '../../rewrite/presets.js';

/** Options of `quantize` as a file has them. */
export type RecipeOptions = Omit<RewriteOptions, 'stats'> & { readonly preset?: PresetName };

/**
 * A recipe of a JSON file: options of `rewriteGraph` and `preset`, one of `PRESETS` as it is, or
 * what `recommendRules` gave. `pattern` of a rule is a regular expression in place of `match`.
 */
export async function readRecipe(file: string): Promise<RecipeOptions> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : `${cause}`;
    throw Object.assign(new HadaNormError('--recipe', `${file} cannot be read: ${words}`), {
      cause,
    });
  }
  if (Object.prototype.toString.call(json) !== '[object Object]') {
    throw new InvalidArgumentError('--recipe', file, 'an object of options', `${json}`);
  }
  const { expected: _, description: __, options: inner, ...outer } = json as Recorded;
  const { rules, ...options } = { ...(inner as object), ...outer } as Recorded;
  if (rules === undefined) return options;
  if (!Array.isArray(rules)) {
    throw new InvalidArgumentError('--recipe', `${file}: rules`, 'an array', `${rules}`);
  }
  return { ...options, rules: rules.map((rule) => ruleOf(file, rule)) };
}

type Recorded = Record<string, unknown>;

function ruleOf(file: string, given: unknown): Rule {
  const { pattern, ...rule } = { ...(given as object) } as { pattern?: unknown } & Rule;
  if (pattern === undefined) return rule;
  try {
    return { ...rule, match: new RegExp(`${pattern}`) };
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : `${cause}`;
    throw new InvalidArgumentError('--recipe', `${file}: pattern`, 'a regular expression', got);
  }
}

/** A line for each preset, for help. */
export function presetLines(): string {
  const width = Math.max(...Object.keys(PRESETS).map(({ length }) => length));
  return Object.entries(PRESETS)
    .map(([name, { description }]) => `  ${name.padEnd(width)}  ${description}`)
    .join('\n');
}
