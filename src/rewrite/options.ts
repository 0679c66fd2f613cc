import { checkBoolean, checkInteger, checkOptions } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/common/errors.js';
import { CalibrationStats } from '../calibrate/stats.js';
import { type Method, ROLES, type Role } from '../metrics/report.js';

/** How the weights of a linear are quantized: symmetric, scale · code. */
export interface WeightOptions {
  /** 2 to 8, or null to leave them in float32. Default 4. */
  bits?: number | null;
  /** Which weights share a scale: `groupSize` input channels of one output channel, or all of them. Default 'perGroup'. */
  granularity?: 'perGroup' | 'perChannel';
  /** Input channels per group. Default 64. */
  groupSize?: number;
  /** Search the scale with the least squared error, or take the largest magnitude. Default 'search'. */
  clipping?: 'search' | 'none';
  /** Default 'gptq' at 4 bits and fewer where the statistics hold a Hessian, else 'nearest'. */
  rounding?: 'nearest' | 'gptq';
}

/** How the activations that enter a linear are quantized. */
export interface ActivationOptions {
  /** 2 to 8, or null to leave them in float32. Default 8. */
  bits?: number | null;
  /** Default false: asymmetric, with a zero point. */
  symmetric?: boolean;
  /** Which values share a scale. Default 'perToken'; at 4 bits and fewer 'perGroup' of each token's channels. */
  granularity?: 'perToken' | 'perGroup' | 'perTensor';
  /** Channels per group. Default 64. */
  groupSize?: number;
  /** 'static' takes the range from the calibration data, one for the tensor. Default 'dynamic'. */
  range?: 'dynamic' | 'static';
}

/** What is done to a linear: a method, and any of its parts otherwise. */
export interface LinearOptions {
  /**
   * - `hadanorm` (default): centre dynamically, balance, rotate (arXiv 2506.09932).
   * - `centered`: centre dynamically, no more.
   * - `hadamard`: rotate (QuaRot, arXiv 2404.00456).
   * - `smoothquant`: scale by max|X|^α / max|W|^(1−α) (arXiv 2211.10438).
   * - `rtn`: nothing, round to nearest.
   * - `auto`: measure all of these on the calibration data and take the best for each linear.
   */
  method?: Method | 'auto';
  weights?: WeightOptions;
  activations?: ActivationOptions;
  /** Subtract each channel's mean over the tokens: of every sample as it comes, or the calibration's. */
  centre?: 'none' | 'static' | 'dynamic';
  /** Directions of the mean's variation whose product is kept in full precision, 0 to 64. Default 8. */
  meanRank?: number;
  /** The static channel scale σ. Default 'balanced': sqrt(std / ‖w‖), or std^¼ / sqrt(‖w‖) before GPTQ. */
  scale?: 'balanced' | 'std' | 'smoothquant' | 'none';
  /** SmoothQuant's α. Default 0.5. */
  alpha?: number;
  /**
   * Multiply by a Hadamard matrix. 'auto', HadaNorm's default, measures on the calibration data whether that helps, where
   * activations have 6 bits and more: fewer always need it. Without such data it rotates.
   */
  rotate?: boolean | 'auto';
  /** Random signs before the rotation. Default true. */
  signs?: boolean;
  /** Leading singular directions of the weights that stay in half precision beside the quantized rest. Default 0. */
  lowRank?: number;
  /** Channels that one Hadamard matrix mixes; must divide the layer's. Default all of them. */
  blockSize?: number;
}

/** Options for some linears; later rules win. A rule without `role` and `match` is for all. */
export interface Rule extends LinearOptions {
  /** A role, or the first part of one: 'mlp' is for 'mlp.in', 'mlp.gate' and 'mlp.out'. */
  role?: Role | 'attention' | 'crossAttention' | 'jointAttention' | 'mlp';
  /** The linear's name, or a pattern for it. */
  match?: string | RegExp;
  /** What to do: 'transform' activations and weights, quantize 'weightOnly', or 'skip'. */
  treatment?: 'transform' | 'weightOnly' | 'skip';
}

/** Options of `rewriteGraph`. */
export interface RewriteOptions extends LinearOptions {
  /** From `calibrate`. Needed by every method but `hadamard` and `rtn`. */
  stats?: CalibrationStats;
  /** Mixed precision and exclusions, by role and name. */
  rules?: readonly Rule[];
  /** The linears that are left untransformed (modulation, embeddings, final layer); false leaves them alone. Default 8 bits. */
  weightOnly?: WeightOptions | false;
  /** Seed of the random signs. Default 0. */
  seed?: number;
  /** Measure rtn, smoothquant and hadamard too, for the report; it takes as long as quantizing with each. Default true. */
  compare?: boolean;
}

/** One linear's options, all resolved. */
export interface LinearSettings {
  readonly treatment: 'transform' | 'weightOnly' | 'skip';
  readonly method: Method | 'auto';
  readonly weights: {
    readonly bits: number | null;
    readonly granularity: 'perGroup' | 'perChannel';
    readonly groupSize: number;
    readonly clipping: 'search' | 'none';
    readonly rounding: 'nearest' | 'gptq' | null; // null: by bits and statistics
  };
  readonly activations: {
    readonly bits: number | null;
    readonly symmetric: boolean;
    readonly granularity: 'perToken' | 'perGroup' | 'perTensor';
    readonly groupSize: number;
    readonly range: 'dynamic' | 'static';
  };
  /** What the method's parts are replaced with. */
  readonly parts: Partial<Parts>;
  readonly lowRank: number;
  readonly blockSize: number | null;
}

/** What a method is made of. */
export interface Parts {
  readonly centre: 'none' | 'static' | 'dynamic';
  readonly meanRank: number;
  readonly scale: 'balanced' | 'std' | 'smoothquant' | 'none';
  readonly alpha: number;
  readonly rotate: boolean | 'auto';
  readonly signs: boolean;
}

/** What an absent option means; a method sets its own parts. */
export const REWRITE_DEFAULTS = {
  method: 'hadanorm',
  weights: { bits: 4, granularity: 'perGroup', groupSize: 64, clipping: 'search' },
  activations: { bits: 8, symmetric: false, groupSize: 64, range: 'dynamic' },
  weightOnly: { bits: 8, granularity: 'perChannel', groupSize: 64, clipping: 'search' },
  lowRank: 0,
  seed: 0,
  compare: true,
} as const satisfies RewriteOptions;

const NOTHING: Parts = {
  centre: 'none',
  meanRank: 0,
  scale: 'none',
  alpha: 0.5,
  rotate: false,
  signs: false,
};

/** The methods as combinations of the same parts. */
export const METHODS: Readonly<Record<Method, Parts>> = {
  hadanorm: {
    centre: 'dynamic',
    meanRank: 8,
    scale: 'balanced',
    alpha: 0.5,
    rotate: 'auto',
    signs: true,
  },
  centered: { ...NOTHING, centre: 'dynamic', meanRank: 8 },
  hadamard: { ...NOTHING, rotate: true, signs: true },
  smoothquant: { ...NOTHING, scale: 'smoothquant' },
  rtn: NOTHING,
};

const LINEAR_KEYS = [
  ...[
    'method',
    'weights',
    'activations',
    'centre',
    'meanRank',
    'scale',
    'alpha',
    'rotate',
    'signs',
  ],
  ...['lowRank', 'blockSize'],
];

/** Checks everything once. @throws InvalidArgumentError that names the option. */
export function checkRewriteOptions(op: string, options: RewriteOptions): void {
  checkOptions(op, options, [...LINEAR_KEYS, 'stats', 'rules', 'weightOnly', 'seed', 'compare']);
  checkLinearOptions(op, '', options);
  const { stats, rules, weightOnly, seed, compare } = options;
  if (stats !== undefined && !(stats instanceof CalibrationStats)) {
    const wayOut = 'Statistics read from a file: CalibrationStats.deserialize(bytes).';
    throw new InvalidArgumentError(op, 'stats', 'what calibrate returns', describe(stats), wayOut);
  }
  if (weightOnly !== undefined && weightOnly !== false) checkWeights(op, 'weightOnly', weightOnly);
  if (seed !== undefined) checkInteger(op, 'seed', seed, 0, 2 ** 32 - 1);
  if (compare !== undefined) checkBoolean(op, 'compare', compare);
  if (rules !== undefined && !Array.isArray(rules)) {
    throw new InvalidArgumentError(op, 'rules', 'an array of rules', describe(rules));
  }
  rules?.forEach((rule, i) => {
    const name = `rules[${i}]`;
    checkOptions(op, rule, [...LINEAR_KEYS, 'role', 'match', 'treatment'], name);
    checkLinearOptions(op, `${name}.`, rule);
    const families = new Set(ROLES.flatMap((role) => [role, role.split('.')[0]!]));
    checkChoice(op, `${name}.role`, rule.role, [...families]);
    checkChoice(op, `${name}.treatment`, rule.treatment, ['transform', 'weightOnly', 'skip']);
    const { match } = rule;
    if (match !== undefined && typeof match !== 'string' && !(match instanceof RegExp)) {
      throw new InvalidArgumentError(op, `${name}.match`, 'a name or a RegExp', describe(match));
    }
  });
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
  const parts = { centre: pick('centre'), meanRank: pick('meanRank'), scale: pick('scale') };
  const more = { alpha: pick('alpha'), rotate: pick('rotate'), signs: pick('signs') };
  const few = activations.bits !== null && activations.bits! <= 4;
  return {
    treatment,
    method: pick('method') ?? REWRITE_DEFAULTS.method,
    weights: { rounding: null, ...weights } as LinearSettings['weights'],
    activations: {
      granularity: activations.range === 'static' ? 'perTensor' : few ? 'perGroup' : 'perToken',
      ...activations,
    } as LinearSettings['activations'],
    parts: withoutUndefined({ ...parts, ...more }) as Partial<Parts>,
    lowRank: pick('lowRank') ?? REWRITE_DEFAULTS.lowRank,
    blockSize: pick('blockSize') ?? null,
  };
}

/** What no option alone shows: rules can put parts together that do not fit. @throws InvalidArgumentError. */
export function checkSettings(
  op: string,
  name: string,
  { activations, treatment }: LinearSettings,
): void {
  const { bits, range, granularity } = activations;
  if (treatment !== 'transform' || bits === null) return;
  if (range !== 'static' || granularity === 'perTensor') return;
  const wanted = `'perTensor' for ${JSON.stringify(name)}, whose range is 'static'`;
  throw new InvalidArgumentError(op, 'activations.granularity', wanted, describe(granularity));
}

/** adaLN modulation, embeddings and the final layer lose most and gain least: their weights alone are quantized. */
function defaultTreatment(role: Role, { weightOnly }: RewriteOptions): LinearSettings['treatment'] {
  if (role === 'other') return 'skip';
  if (role !== 'modulation' && role !== 'embedding' && role !== 'final') return 'transform';
  return weightOnly === false ? 'skip' : 'weightOnly';
}

function fits({ role: wanted, match }: Rule, name: string, role: Role): boolean {
  if (wanted !== undefined && wanted !== role && wanted !== role.split('.')[0]) return false;
  if (match === undefined) return true;
  return typeof match === 'string' ? match === name : new RegExp(match).test(name);
}

function withoutUndefined<T extends object>(given: T): Partial<T> {
  const kept = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Partial<T>;
}

function checkLinearOptions(op: string, at: string, options: LinearOptions): void {
  const { meanRank, alpha, lowRank, blockSize } = options;
  checkChoice(op, `${at}method`, options.method, [...Object.keys(METHODS), 'auto']);
  checkChoice(op, `${at}centre`, options.centre, ['none', 'static', 'dynamic']);
  checkChoice(op, `${at}scale`, options.scale, ['balanced', 'std', 'smoothquant', 'none']);
  if (meanRank !== undefined) checkInteger(op, `${at}meanRank`, meanRank, 0, 64);
  if (lowRank !== undefined) checkInteger(op, `${at}lowRank`, lowRank, 0, 1024);
  if (blockSize !== undefined) checkInteger(op, `${at}blockSize`, blockSize, 1);
  if (options.signs !== undefined) checkBoolean(op, `${at}signs`, options.signs);
  if (options.rotate !== undefined && options.rotate !== 'auto') {
    checkBoolean(op, `${at}rotate`, options.rotate);
  }
  if (alpha !== undefined && !(typeof alpha === 'number' && alpha >= 0 && alpha <= 1)) {
    throw new InvalidArgumentError(op, `${at}alpha`, 'a number from 0 to 1', describe(alpha));
  }
  if (options.weights !== undefined) checkWeights(op, `${at}weights`, options.weights);
  if (options.activations !== undefined)
    checkActivations(op, `${at}activations`, options.activations);
}

function checkWeights(op: string, at: string, options: WeightOptions): void {
  checkOptions(op, options, ['bits', 'granularity', 'groupSize', 'clipping', 'rounding'], at);
  checkBits(op, `${at}.bits`, options.bits);
  checkChoice(op, `${at}.granularity`, options.granularity, ['perGroup', 'perChannel']);
  checkChoice(op, `${at}.clipping`, options.clipping, ['search', 'none']);
  checkChoice(op, `${at}.rounding`, options.rounding, ['nearest', 'gptq']);
  if (options.groupSize !== undefined) checkInteger(op, `${at}.groupSize`, options.groupSize, 1);
}

function checkActivations(op: string, at: string, options: ActivationOptions): void {
  checkOptions(op, options, ['bits', 'symmetric', 'granularity', 'groupSize', 'range'], at);
  checkBits(op, `${at}.bits`, options.bits);
  checkChoice(op, `${at}.granularity`, options.granularity, ['perToken', 'perGroup', 'perTensor']);
  checkChoice(op, `${at}.range`, options.range, ['dynamic', 'static']);
  if (options.symmetric !== undefined) checkBoolean(op, `${at}.symmetric`, options.symmetric);
  if (options.groupSize !== undefined) checkInteger(op, `${at}.groupSize`, options.groupSize, 1);
  if (options.range === 'static' && (options.granularity ?? 'perTensor') !== 'perTensor') {
    const wanted = "'perTensor' where range is 'static'";
    throw new InvalidArgumentError(op, `${at}.granularity`, wanted, describe(options.granularity));
  }
}

function checkBits(op: string, at: string, bits: number | null | undefined): void {
  if (bits === undefined || bits === null) return;
  if (Number.isInteger(bits) && bits >= 2 && bits <= 8) return;
  throw new InvalidArgumentError(op, at, 'an integer from 2 to 8, or null', describe(bits));
}

function checkChoice(
  op: string,
  at: string,
  value: string | undefined,
  choices: readonly string[],
): void {
  if (value === undefined || choices.includes(value)) return;
  throw new InvalidArgumentError(op, at, `one of ${choices.join(', ')}`, describe(value));
}
