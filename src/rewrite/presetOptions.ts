import { checkPlain, isPlain } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { RewriteOptions, Rule } from './options.js';
import { PRESETS, type Preset, type PresetName } from './presets.js';

/**
 * Options over a preset's: bits of both, rules after one another.
 * @throws InvalidArgumentError for no preset.
 */
export function withPreset(
  op: string,
  preset: PresetName | Preset = 'W4A8',
  given: Omit<RewriteOptions, 'stats'>,
): RewriteOptions {
  const { weights, activations, rules, ...rest } = given;
  const options = presetOf(op, preset);
  return {
    ...options,
    ...rest,
    ...over('weights', options.weights, weights),
    ...over('activations', options.activations, activations),
    ...(rules === undefined ? {} : { rules: joined(options.rules, rules) }),
  };
}

function presetOf(op: string, preset: PresetName | Preset): Preset['options'] {
  if (typeof preset === 'string' && Object.hasOwn(PRESETS, preset)) return PRESETS[preset].options;
  if (typeof preset === 'object' && preset !== null) {
    checkPlain(op, 'preset', preset);
    checkPlain(op, 'preset.options', preset.options);
    return preset.options;
  }
  const names = Object.keys(PRESETS).join(', ');
  const wanted = `one of ${names}, or { description, options }`;
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

function joined(preset: readonly Rule[] = [], given: readonly Rule[]): readonly Rule[] {
  return Array.isArray(given) ? [...preset, ...given] : given;
}
