import { checkPlain, isPlain } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { Recipe } from '../report/recipe.js';
import type { RewriteOptions, Rule } from './options.js';
import { PRESETS, type Preset, type PresetName, presetNamed } from './presets.js';

/**
 * Options over a preset's, and over what its rules say of the same; rules after one another.
 * @throws InvalidArgumentError for no preset.
 */
export function withPreset(
  op: string,
  preset: PresetName | Preset | Recipe = 'W4A8',
  given: Omit<RewriteOptions, 'stats'>,
): RewriteOptions {
  const { weights, activations, rules: _, ...rest } = given;
  const options = presetOf(op, preset);
  return {
    ...options,
    ...rest,
    ...over('weights', options.weights, weights),
    ...over('activations', options.activations, activations),
    ...rulesOver(options.rules, given),
  };
}

function presetOf(op: string, preset: PresetName | Preset | Recipe): Preset['options'] {
  const named = typeof preset === 'string' ? presetNamed(preset) : null;
  if (named !== null) return named.options;
  if (typeof preset === 'object' && preset !== null) {
    checkPlain(op, 'preset', preset);
    if ('rules' in preset) return { rules: preset.rules };
    checkPlain(op, 'preset.options', preset.options);
    return preset.options;
  }
  const names = Object.keys(PRESETS).join(', ');
  const wanted = `one of ${names}, { description, options }, or a recipe`;
  throw new InvalidArgumentError(op, 'preset', wanted, describe(preset));
}

/** What is no object is for `rewriteGraph` to refuse. */
function over<Name extends string, Part extends object>(
  name: Name,
  preset: Part | undefined,
  given: Part | undefined,
): { [Key in Name]?: Part } {
  if (given !== undefined && !isPlain(given)) return { [name]: given } as { [Key in Name]?: Part };
  const part = { ...preset, ...given };
  return { [name]: part } as { [Key in Name]?: Part };
}

/** What is no list is for `rewriteGraph` to refuse. */
function rulesOver(
  preset: readonly Rule[] | undefined,
  given: Omit<RewriteOptions, 'stats'>,
): Pick<RewriteOptions, 'rules'> {
  const { rules } = given;
  if (rules !== undefined && !Array.isArray(rules)) return { rules };
  const own = preset?.map((rule) => without(rule, given));
  return own === undefined && rules === undefined
    ? {}
    : { rules: [...(own ?? []), ...(rules ?? [])] };
}

/** A rule less what options say themselves: of weights and activations each part counts. */
function without<T extends object>(rule: T, options: object): T {
  const said = new Map(Object.entries(options).filter(([, value]) => value !== undefined));
  const left = Object.entries(rule).flatMap(([key, value]) => {
    const other = said.get(key);
    if (other === undefined) return [[key, value]];
    return isPlain(value) && isPlain(other) ? [[key, without(value, other)]] : [];
  });
  return Object.fromEntries(left) as T;
}
