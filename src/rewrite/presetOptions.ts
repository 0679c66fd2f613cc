import { checkPlain, isPlain } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { Recipe } from '../report/recipe.js';
import { withPresentNames } from './formerNames.js';
import { impliedRules } from './impliedRules.js';
import { checkOptionsOnly, checkRules } from './optionChecks.js';
import type { RewriteOptions } from './options.js';
import { PRESETS, type Preset, type PresetName, presetNamed } from './presets.js';
import { withoutUndefined } from './settings.js';

/**
 * Options over a preset's, and over what its rules say of the same; rules after one another. A
 * recipe's rules stand over the default preset.
 * @throws InvalidArgumentError for no preset, and for what is wrong in it or in the options.
 */
export function withPreset(
  op: string,
  preset: PresetName | Preset | Recipe = 'W4A8',
  options: Omit<RewriteOptions, 'stats'>,
): RewriteOptions {
  const given = withPresentNames(op, options);
  checkOptionsOnly(op, given);
  const below = withPresentNames(op, presetOf(op, preset));
  const { weights, activations, rules = [], ...rest } = given;
  const own = below.rules?.map((rule) => without(rule, given)) ?? [];
  return {
    ...below,
    ...withoutUndefined(rest),
    weights: { ...below.weights, ...withoutUndefined(weights ?? {}) },
    activations: { ...below.activations, ...withoutUndefined(activations ?? {}) },
    rules: [...impliedRules(own), ...rules],
  };
}

function presetOf(op: string, preset: PresetName | Preset | Recipe): Preset['options'] {
  const named = typeof preset === 'string' ? presetNamed(preset) : null;
  if (named !== null) return named.options;
  if (isPlain(preset) && 'options' in (preset as object)) {
    checkMadeOf(op, preset as object, ['description', 'options']);
    const { options } = preset as Preset;
    checkPlain(op, 'preset.options', options);
    checkOptionsOnly(op, withPresentNames(op, options), 'preset.options');
    return options;
  }
  if (isPlain(preset) && 'rules' in (preset as object)) {
    checkMadeOf(op, preset as object, ['rules', 'expected']);
    const { rules } = preset as Recipe;
    checkRules(op, 'preset.rules', rules);
    const { options } = PRESETS.W4A8;
    return { ...options, rules: [...options.rules, ...rules] };
  }
  const names = Object.keys(PRESETS).join(', ');
  const wanted = `one of ${names}, { description, options }, or a recipe`;
  throw new InvalidArgumentError(op, 'preset', wanted, describe(preset));
}

function checkMadeOf(op: string, preset: object, known: readonly string[]): void {
  const other = Object.keys(preset).find((key) => !known.includes(key));
  if (other === undefined) return;
  const wayOut = 'Options go beside a preset, or into its options.';
  const wanted = `made of ${known.join(', ')}`;
  throw new InvalidArgumentError(op, 'preset', wanted, describe(other), wayOut);
}

/** A rule less what options say themselves: of weights and activations each part counts. */
function without<T extends object>(rule: T, options: object): T {
  const said = new Map(Object.entries(withoutUndefined(options)));
  const left = Object.entries(rule).flatMap(([key, value]) => {
    const other = said.get(key);
    if (other === undefined) return [[key, value]];
    return isPlain(value) && isPlain(other) ? [[key, without(value, other)]] : [];
  });
  return Object.fromEntries(left) as T;
}
