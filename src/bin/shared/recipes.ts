import { readFile } from 'node:fs/promises';
import { isPlain } from '../../../ops/common/checks.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { checkOptionsOnly } from '../../rewrite/optionChecks.js';
import type { RewriteOptions, Rule } from '../../rewrite/options.js';
import { withPreset } from '../../rewrite/presetOptions.js';
import { PRESETS, type Preset, type PresetName } from '../../rewrite/presets.js';
import type { QuantizeResult } from '../../rewrite/quantize.js';
import { keptRules } from '../../rewrite/targets.js';

/** Options of `quantize` as flags and a file have them. */
export type RecipeOptions = Omit<RewriteOptions, 'stats'> & {
  readonly preset?: PresetName | Preset;
};

/** Flags that say what to quantize to. */
export interface RecipeFlags {
  readonly preset?: PresetName;
  readonly recipe?: string;
}

/**
 * What `--preset` and the JSON of `--recipe` ask for. The file has options of `rewriteGraph` and
 * `preset`, or what `recommendRules` gave, whose options go over the preset's; or it is one of
 * `PRESETS` as it is. `pattern` of a rule is a regular expression in place of `match`.
 */
export async function recipeOf({ preset, recipe: file }: RecipeFlags): Promise<RecipeOptions> {
  if (file === undefined) return preset === undefined ? {} : { preset };
  const op = `--recipe ${file}`;
  const json = await readObject(op, file);
  if ('options' in json) {
    const { description = '', options, ...more } = json;
    const beside = preset === undefined ? Object.keys(more)[0] : '--preset';
    if (beside !== undefined) {
      const wanted = 'a preset by itself, for it has options';
      throw new InvalidArgumentError(op, 'the file', wanted, `${describe(beside)} beside it`);
    }
    return { preset: { description: `${description}`, options: optionsOf(op, options) } };
  }
  const { preset: own, expected: _, ...options } = json;
  const named = preset ?? (own as PresetName | undefined);
  const read = optionsOf(op, options);
  if (named === undefined) return read;
  // a name that is none is said before the work
  withPreset(op, named, read);
  return { ...read, preset: named };
}

type Recorded = Readonly<Record<string, unknown>>;

async function readObject(op: string, file: string): Promise<Recorded> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : `${cause}`;
    throw Object.assign(new HadaNormError(op, `cannot be read: ${words}`), { cause });
  }
  if (isPlain(json)) return json as Recorded;
  throw new InvalidArgumentError(op, 'the file', 'an object of options', describe(json));
}

/** @throws InvalidArgumentError for anything wrong in them. */
function optionsOf(op: string, given: unknown): Omit<RewriteOptions, 'stats'> {
  const rules = isPlain(given) ? (given as Recorded).rules : undefined;
  const options = Array.isArray(rules)
    ? { ...(given as Recorded), rules: rules.map((rule, i) => ruleOf(op, i, rule)) }
    : (given as Recorded);
  checkOptionsOnly(op, options);
  return options;
}

/** What is no rule is for the checks to refuse. */
function ruleOf(op: string, i: number, given: unknown): Rule {
  if (!isPlain(given) || !('pattern' in (given as object))) return given as Rule;
  const { pattern, ...rule } = given as { readonly pattern: unknown } & Rule;
  const wrong = (wanted: string, got: string) =>
    new InvalidArgumentError(op, `rules[${i}].pattern`, wanted, got);
  if (typeof pattern !== 'string') throw wrong('a regular expression', describe(pattern));
  if (rule.match !== undefined) throw wrong('absent beside match', describe(pattern));
  try {
    return { ...rule, match: new RegExp(pattern) };
  } catch (cause) {
    throw wrong('a regular expression', cause instanceof Error ? cause.message : `${cause}`);
  }
}

/** What a model was made by, as a file for `--recipe`: a preset by itself. */
export function recipeText(
  asked: RecipeOptions,
  { report, recipe }: Pick<QuantizeResult, 'report' | 'recipe'>,
): string {
  const { preset, ...given } = asked;
  const options = withPreset('quantize', preset, given);
  // and how that came out, of all: what was chosen for the target need not be chosen again
  const reached =
    recipe === null || recipe.rules.length === 0
      ? []
      : [...recipe.rules, ...keptRules('quantize', report, { ...recipe, rules: [] })];
  const rules = [...(options.rules ?? []), ...reached].map(plainRule);
  const description = 'what quantize wrote the model beside it by';
  return `${JSON.stringify({ description, options: { ...options, rules } }, null, 2)}\n`;
}

/** A pattern as a file has it. */
function plainRule({ match, ...rule }: Rule): object {
  if (match === undefined) return rule;
  return match instanceof RegExp ? { pattern: match.source, ...rule } : { match, ...rule };
}

/** A line for each preset, for help. */
export function presetLines(): string {
  const width = Math.max(...Object.keys(PRESETS).map(({ length }) => length));
  return Object.entries(PRESETS)
    .map(([name, { description }]) => `  ${name.padEnd(width)}  ${description}`)
    .join('\n');
}
