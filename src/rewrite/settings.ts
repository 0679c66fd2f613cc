import { FLOAT32, type UniformFormat } from '../../ops/numerics/formats.js';
import type { Parts } from '../quantize/methods.js';
import type { Task } from '../quantize/plan.js';
import type { ActivationSettings, LinearSettings, WeightSettings } from '../quantize/settings.js';
import type { PlacedLinear } from '../recognize/analysis.js';
import { fits } from '../recognize/fits.js';
import type { Role } from '../recognize/role.js';
import { checkSettings } from './optionChecks.js';
import {
  type ActivationOptions,
  type LinearOptions,
  REWRITE_DEFAULTS,
  type RewriteOptions,
  type Rule,
  type WeightOptions,
} from './options.js';

/**
 * The linears that are not left alone, with their settings. @throws InvalidArgumentError for rules
 * that put parts together which do not fit.
 */
export function tasksFor(
  op: string,
  linears: readonly PlacedLinear[],
  options: RewriteOptions,
): Task[] {
  const tasks = linears.map((placed): Task => {
    const { linear, role } = placed;
    const settings = settingsFor(options, { name: linear.name, role });
    checkSettings(op, linear.name, settings);
    return { placed, settings };
  });
  return tasks.filter(({ settings }) => settings.treatment !== 'skip');
}

/** The settings of one linear: the options, then each rule that fits. */
export function settingsFor(
  options: RewriteOptions,
  { name, role }: { readonly name: string; readonly role: Role },
): LinearSettings {
  const rules = (options.rules ?? []).filter((rule) => fits(rule, name, role));
  const layers: LinearOptions[] = [options, ...rules];
  const pick = <K extends keyof LinearOptions>(key: K) =>
    layers.findLast((layer) => layer[key] !== undefined)?.[key];
  const treatment =
    rules.findLast((rule) => rule.treatment !== undefined)?.treatment ??
    defaultTreatment(role, options);
  const merged = <T extends object>(parts: readonly (T | undefined)[]) =>
    Object.assign({}, ...parts.map((part) => withoutUndefined(part ?? {}))) as T;
  const ruleWeights = rules.map((rule) => rule.weights);
  const weightOnly = options.weightOnly === false ? {} : options.weightOnly;
  const weights =
    treatment === 'weightOnly'
      ? merged([REWRITE_DEFAULTS.weightOnly, weightOnly, ...ruleWeights])
      : merged([REWRITE_DEFAULTS.weights, options.weights, ...ruleWeights]);
  const activations = merged([
    REWRITE_DEFAULTS.activations,
    ...layers.map((layer) => layer.activations),
  ]);
  const parts = { center: pick('center'), meanRank: pick('meanRank'), scale: pick('scale') };
  const more = { alpha: pick('alpha'), rotate: pick('rotate'), signs: pick('signs') };
  const method = pick('method') ?? REWRITE_DEFAULTS.method;
  return {
    treatment,
    method,
    weights: weightSettings(weights),
    activations: activationSettings(activations),
    parts: withoutUndefined({ ...parts, ...more }) as Partial<Parts>,
    lowRank: pick('lowRank') ?? (BRANCHED.has(method) ? REWRITE_DEFAULTS.lowRank : 0),
    branch: pick('branch') ?? REWRITE_DEFAULTS.branch,
    blockSize: pick('blockSize') ?? null,
  };
}

/** Others are what papers compare with, who have no branch. */
const BRANCHED: ReadonlySet<LinearOptions['method']> = new Set(['hadanorm', 'auto']);

/** Options as formats: from here on no one asks for bits and groups apart. */
function weightSettings(options: WeightOptions): WeightSettings {
  const { granularity, groupSize, clipping, rounding, bits } = options as ResolvedWeights;
  const uniform = (width: number): UniformFormat => ({
    ...{ kind: 'uniform', bits: width, codes: 'signed' },
    granularity:
      granularity === 'perChannel'
        ? { kind: 'perChannel', axis: 1 }
        : { kind: 'perGroup', axis: 0, groupSize },
  });
  const format = bits === null ? FLOAT32 : uniform(bits);
  return { format, at8Bits: uniform(8), clipping, rounding: rounding ?? null };
}

type ResolvedWeights = Required<Omit<WeightOptions, 'rounding'>> & Pick<WeightOptions, 'rounding'>;

function activationSettings(options: ActivationOptions): ActivationSettings {
  const { bits, symmetric, groupSize, range, ...rest } = options as ResolvedActivations;
  const few = bits !== null && bits <= 4;
  const usual = range === 'static' ? 'perTensor' : few ? 'perGroup' : 'perToken';
  const { granularity = usual } = rest;
  const uniform = (width: number, kind: typeof granularity): UniformFormat => ({
    ...{ kind: 'uniform', bits: width, codes: symmetric ? 'symmetric' : 'unsigned' },
    granularity: kind === 'perGroup' ? { kind, axis: 1, groupSize } : { kind },
  });
  return {
    format: bits === null ? FLOAT32 : uniform(bits, granularity),
    at8Bits: uniform(8, granularity === 'perTensor' ? granularity : 'perToken'),
    range,
  };
}

type ResolvedActivations = Required<Omit<ActivationOptions, 'granularity'>> &
  Pick<ActivationOptions, 'granularity'>;

/**
 * adaLN modulation, embeddings and the final layer lose most and gain least: their weights alone
 * are quantized.
 */
function defaultTreatment(role: Role, { weightOnly }: RewriteOptions): LinearSettings['treatment'] {
  if (role === 'other') return 'skip';
  if (role !== 'modulation' && role !== 'embedding' && role !== 'final') return 'transform';
  return weightOnly === false ? 'skip' : 'weightOnly';
}

/** Whether a rule is for every linear. */
export function isForAll({ role, match }: Rule): boolean {
  return role === undefined && match === undefined;
}

/** An option that is undefined is absent. */
export function withoutUndefined<T extends object>(given: T): Partial<T> {
  const kept = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Partial<T>;
}
