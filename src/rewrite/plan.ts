import { InvalidArgumentError } from '../../ops/common/errors.js';
import type { FakeQuantAttrs } from '../../ops/fakeQuant/op.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { matmul } from '../math/matrix.js';
import type { LinearReport, Method, Sqnr } from '../metrics/report.js';
import type { Feedback } from '../pack/gptq.js';
import type { PlacedLinear } from './analysis.js';
import { feedbackFor } from './hessian.js';
import {
  activationQuantizer,
  channelHistogram,
  measure,
  measureByTimestep,
  outputOf,
  type Passing,
  passThrough,
} from './measure.js';
import { type LinearSettings, METHODS, type Parts, type RewriteOptions } from './options.js';
import { type QuantizedLinear, quantizeLinear, storedBytes } from './quantizeLinear.js';
import { type Samples, samplesOf } from './samples.js';
import { type FixedParts, makeTransform, type Transform } from './transform.js';

/** A linear whose treatment was decided. */
export interface PlannedLinear {
  readonly placed: PlacedLinear;
  readonly transform: Transform;
  readonly activations: FakeQuantAttrs | null;
  readonly quantized: QuantizedLinear;
}

/** What the report says of a linear beside its treatment; nothing where no tokens were kept. */
export type Measured = Pick<
  LinearReport,
  'sqnr' | 'compared' | 'at8Bits' | 'byTimestep' | 'channels'
>;

/** One linear's outcome: how it is quantized, by which method, and how well. */
export interface Outcome {
  readonly planned: PlannedLinear;
  readonly settings: LinearSettings;
  readonly method: Method;
  readonly measured: Measured;
}

/** Methods from the cheapest at run time to the dearest. */
const CANDIDATES: readonly Method[] = ['rtn', 'smoothquant', 'centered', 'hadamard', 'hadanorm'];

/** What the report compares the chosen method with. */
const COMPARED: readonly Method[] = ['rtn', 'smoothquant', 'hadamard'];

/** Within this many dB, `auto` takes the cheaper method. */
const TIE_DB = 0.1;

/** A linear with its settings. */
export interface Task {
  readonly placed: PlacedLinear;
  readonly settings: LinearSettings;
}

/** Tasks with the same key share a transform. */
export function transformKey({ placed, settings }: Task): string {
  const { treatment, method, parts, activations, blockSize } = settings;
  if (treatment === 'weightOnly') return `${placed.key} weightOnly`;
  return JSON.stringify([placed.key, method, parts, activations, blockSize]);
}

/** The linears of one site that share a transform, and what calibration knows of the site. */
export class SiteWork {
  private readonly samples: Samples | null;
  private readonly variants = new Map<string, Variant>();
  private readonly matrices: readonly Float32Array[];
  private readonly rotations = new Map<Method, Rotation>();

  constructor(
    private readonly op: string,
    private readonly tasks: readonly Task[],
    private readonly stats: SiteStats | null,
    private readonly options: Pick<RewriteOptions, 'seed' | 'compare'>,
  ) {
    this.samples = samplesOf(stats);
    this.matrices = tasks.map(({ placed }) => placed.linear.matrix());
    const { placed, settings } = tasks[0]!;
    if (settings.method === 'auto' && settings.treatment === 'transform' && this.samples === null) {
      const wayOut = 'Pass stats: await calibrate(model, batches).';
      const wanted = `given for method 'auto' (${placed.linear.name})`;
      throw new InvalidArgumentError(op, 'stats', wanted, 'none', wayOut);
    }
  }

  /** Quantizes the site's i-th linear. */
  outcome(i: number): Outcome {
    const { placed, settings } = this.tasks[i]!;
    const { site, linear } = placed;
    const { samples } = this;
    const w = this.matrices[i]!;
    const exact =
      samples === null ? null : matmul(samples.rows, w, samples.count, site.d, linear.n);
    const tried = new Map<Method, Tried>();
    const method = this.chosenMethod(i, exact, tried);
    const chosen = tried.get(method) ?? this.chosenTry(method, i, exact);
    const { transform, activations } = chosen.variant;
    return {
      planned: { placed, transform, activations, quantized: chosen.quantized },
      settings,
      method,
      measured: this.measured(i, exact, method, chosen, tried),
    };
  }

  /** Quantizes the i-th linear in one way and measures it, where there is something to measure on. */
  private attempt(variant: Variant, i: number, exact: Float32Array | null): Tried {
    const { settings } = this.tasks[i]!;
    const w = this.matrices[i]!;
    const { transform, passing } = variant;
    const feedback = this.feedback(variant, settings);
    const quantized = quantizeLinear(transform, w, w.length / transform.d, settings, feedback);
    const sqnr =
      exact === null || passing === null ? null : measure(transform, quantized, passing, w, exact);
    return { variant, quantized, sqnr };
  }

  /** The user's method; where it leaves the rotation open, the better way for all linears of the site together. */
  private chosenTry(method: Method, i: number, exact: Float32Array | null): Tried {
    const { settings } = this.tasks[0]!;
    const { rotate } = { ...METHODS[method], ...settings.parts };
    const { bits } = settings.activations;
    const open = rotate === 'auto' && this.samples !== null && (bits === null || bits >= 6);
    // weights alone are quantized as they are, whatever the options say of transforms
    if (settings.treatment === 'weightOnly') return this.attempt(this.variant('rtn', {}), i, exact);
    if (!open) return this.attempt(this.variant(method, settings.parts), i, exact);
    const rotation = this.rotations.get(method) ?? this.measureRotation(method, settings.parts);
    this.rotations.set(method, rotation);
    const kept = rotation.tries[i]!;
    // held only until it is used: these are whole weight matrices
    rotation.tries[i] = null;
    const parts = { ...settings.parts, ...rotation.parts };
    return kept ?? this.attempt(this.variant(method, parts), i, exact);
  }

  private measureRotation(method: Method, parts: Partial<Parts>): Rotation {
    const { samples } = this;
    const ways = [true, false].map((rotate) => {
      const variant = this.variant(method, { ...parts, rotate });
      const tries = this.tasks.map(({ placed }, i) => {
        const { site, linear } = placed;
        const exact = matmul(samples!.rows, this.matrices[i]!, samples!.count, site.d, linear.n);
        return this.attempt(variant, i, exact);
      });
      const total = tries.reduce((sum, { sqnr }) => sum + sqnr!.output, 0);
      return { parts: { rotate }, tries, total };
    });
    const [rotated, plain] = ways as [Rotation & { total: number }, Rotation & { total: number }];
    // nothing lost either way, as without quantization, is no reason not to
    return plain.total > rotated.total ? plain : rotated;
  }

  private chosenMethod(i: number, exact: Float32Array | null, tried: Map<Method, Tried>): Method {
    const { method, treatment } = this.tasks[i]!.settings;
    if (treatment === 'weightOnly') return 'rtn';
    if (method !== 'auto') return method;
    for (const candidate of CANDIDATES) {
      // as each would do by itself
      tried.set(candidate, this.chosenTry(candidate, i, exact));
    }
    const outputs = CANDIDATES.map((candidate) => tried.get(candidate)!.sqnr!.output);
    const best = Math.max(...outputs);
    return CANDIDATES[outputs.findIndex((output) => output >= best - TIE_DB)] ?? 'hadanorm';
  }

  private measured(
    i: number,
    exact: Float32Array | null,
    method: Method,
    { variant, quantized, sqnr }: Tried,
    tried: ReadonlyMap<Method, Tried>,
  ): Measured {
    const { passing, transform } = variant;
    if (exact === null || passing === null || sqnr === null) {
      return { sqnr: null, compared: {}, at8Bits: null, byTimestep: [], channels: null };
    }
    const { settings } = this.tasks[i]!;
    const compared: Partial<Record<Method, Sqnr>> = {};
    const others = settings.treatment === 'transform' && this.options.compare !== false;
    for (const other of others ? COMPARED : []) {
      const same = other === method && Object.keys(settings.parts).length === 0;
      const plain = () => this.attempt(this.variant(other, {}), i, exact);
      compared[other] = same ? sqnr : (tried.get(other) ?? plain()).sqnr!;
    }
    for (const [candidate, { sqnr: figures }] of tried) compared[candidate] = figures!;
    const { samples } = passing;
    const output = outputOf(transform, quantized, passing);
    return {
      sqnr,
      compared,
      at8Bits: this.at8Bits(settings, transform, this.matrices[i]!, exact),
      ...(settings.treatment === 'weightOnly'
        ? { byTimestep: [], channels: null }
        : {
            byTimestep: measureByTimestep(samples, exact, output, quantized.n),
            channels: {
              before: channelHistogram(samples.rows, transform.d),
              after: channelHistogram(passing.transformed, transform.d),
            },
          }),
    };
  }

  /** What 8-bit weights and activations would give in the same transform. */
  private at8Bits(
    { weights, activations, lowRank, treatment }: LinearSettings,
    t: Transform,
    w: Float32Array,
    exact: Float32Array,
  ) {
    const finer = { weights: { ...weights, bits: 8 }, lowRank };
    const quantized = quantizeLinear(t, w, w.length / t.d, finer, null);
    const quantizer =
      treatment === 'weightOnly' || activations.bits === null
        ? null
        : this.quantizerAt8Bits(activations, t);
    const passing = passThrough(t, this.samples!, quantizer);
    const { output } = measure(t, quantized, passing, w, exact);
    // codes and scales; what else is stored beside them, the report adds
    return { output, bytes: storedBytes(quantized) };
  }

  /** What a rule with 8 bits would make of the activations' options. */
  private quantizerAt8Bits(given: LinearSettings['activations'], t: Transform) {
    const granularity = given.granularity === 'perTensor' ? 'perTensor' : 'perToken';
    const finer = { ...given, bits: 8, granularity } as const;
    return activationQuantizer(finer, needsRange(finer) ? this.transformedRows(t) : null);
  }

  /** A method's transform on this site, some of its parts replaced, with what follows from it. */
  private variant(method: Method, replaced: Partial<Parts>): Variant {
    const key = JSON.stringify([method, replaced]);
    const made = this.variants.get(key) ?? this.makeVariant(method, replaced);
    this.variants.set(key, made);
    return made;
  }

  private makeVariant(method: Method, replaced: Partial<Parts>): Variant {
    const { tasks, stats, samples, options } = this;
    const { placed, settings } = tasks[0]!;
    const { site } = placed;
    const parts = partsOf(method, replaced, site.tokens !== 'none');
    const transform = makeTransform(this.op, parts, stats, this.matrices, site.d, {
      blockSize: settings.blockSize,
      seed: options.seed ?? 0,
      gptq: stats?.scatter != null && wantsGptq(settings),
    });
    const raw = { ...settings.activations, bits: null };
    const given = settings.treatment === 'weightOnly' ? raw : settings.activations;
    const transformed = needsRange(given) ? this.transformedRows(transform) : null;
    const activations = activationQuantizer(given, transformed);
    const passing = samples === null ? null : passThrough(transform, samples, activations);
    return { transform, activations, passing, feedback: undefined };
  }

  private transformedRows(transform: Transform): Float32Array {
    if (this.samples !== null) return passThrough(transform, this.samples, null).transformed;
    const wayOut = 'Pass stats: await calibrate(model, batches).';
    const wanted = "given where activations.range is 'static'";
    throw new InvalidArgumentError(this.op, 'stats', wanted, 'none', wayOut);
  }

  private feedback(variant: Variant, { weights }: LinearSettings): Feedback | null {
    if (!wantsGptq({ weights })) return null;
    const { rounding } = weights;
    // made once: it is the dearest part of a transform
    variant.feedback ??= this.stats === null ? null : feedbackFor(variant.transform, this.stats);
    if (variant.feedback !== null || rounding === null) return variant.feedback;
    const { name } = this.tasks[0]!.placed.linear;
    const wayOut = 'Calibrate with hessian: true, or set rounding to nearest.';
    const wanted = `'nearest' for ${name}, whose statistics hold no Hessian`;
    throw new InvalidArgumentError(this.op, 'weights.rounding', wanted, "'gptq'", wayOut);
  }
}

interface Variant {
  readonly transform: Transform;
  readonly activations: FakeQuantAttrs | null;
  /** Undefined until it is asked for. */
  feedback: Feedback | null | undefined;
  readonly passing: Passing | null;
}

/** The way of rotating that was found better, and what was quantized to find out. */
interface Rotation {
  readonly parts: Partial<Parts>;
  readonly tries: (Tried | null)[];
}

interface Tried {
  readonly variant: Variant;
  readonly quantized: QuantizedLinear;
  readonly sqnr: Sqnr | null;
}

/** Whether the weights are rounded by GPTQ if the statistics allow it. */
function wantsGptq({ weights: { bits, rounding } }: Pick<LinearSettings, 'weights'>): boolean {
  if (bits === null || rounding === 'nearest') return false;
  return rounding === 'gptq' || bits <= 4;
}

function needsRange({ bits, range }: LinearSettings['activations']): boolean {
  return bits !== null && range === 'static';
}

/** A method's parts with some replaced. One row per sample is never its own mean: centring it would leave nothing. */
function partsOf(method: Method, replaced: Partial<Parts>, hasTokens: boolean): FixedParts {
  const open = { ...METHODS[method], ...replaced };
  const parts = { ...open, rotate: open.rotate !== false };
  return hasTokens || parts.centre !== 'dynamic'
    ? parts
    : { ...parts, centre: 'none', meanRank: 0 };
}
