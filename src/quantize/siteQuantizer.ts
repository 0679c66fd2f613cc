import { HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { fitsIn } from '../../ops/numerics/formats.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { comparable } from '../math/decibels.js';
import { matmul } from '../math/matrix.js';
import {
  channelHistogram,
  linearOutput,
  measure,
  measureByTimestep,
  transformSamples,
} from './measure.js';
import type { Measured, Sqnr } from './measured.js';
import type { Method, Parts } from './methods.js';
import type { LeftOut, Outcome, Task } from './plan.js';
import { type QuantizedLinear, quantizeLinear, storedBytes } from './quantizeLinear.js';
import { rotationOf } from './rotation.js';
import { type Samples, samplesOf } from './samples.js';
import type { LinearSettings } from './settings.js';
import type { Transform } from './transform.js';
import { type Variant, Variants } from './variants.js';

/** Methods from the cheapest at run time to the dearest. */
const CANDIDATES: readonly Method[] = ['rtn', 'smoothquant', 'centered', 'hadamard', 'hadanorm'];

/** What the report compares the chosen method with. */
const COMPARED: readonly Method[] = ['rtn', 'smoothquant', 'hadamard'];

/** Within this many dB, `auto` takes the cheaper method. */
const TIE_DB = 0.1;

/** The linears of one site that share a transform, and what calibration knows of the site. */
export class SiteQuantizer {
  private readonly samples: Samples | null;
  private readonly variants: Variants;
  private readonly matrices: readonly Float32Array[];
  private readonly rotations = new Map<Method, Rotation>();

  constructor(
    private readonly op: string,
    private readonly tasks: readonly Task[],
    stats: SiteStats | null,
    private readonly options: { readonly seed?: number; readonly compare?: boolean },
  ) {
    this.samples = samplesOf(stats);
    this.matrices = tasks.map(({ placed }) => placed.linear.matrix());
    this.variants = new Variants(op, tasks, stats, this.samples, this.matrices, options.seed ?? 0);
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
    const tried = new Map<Method, Candidate>();
    const method = this.chosenMethod(i, exact, tried);
    const chosen = tried.get(method) ?? this.chosenTry(method, i, exact);
    checkMeasured(this.op, linear.name, method, chosen.sqnr, exact);
    const { transform, activations } = chosen.variant;
    const measured = this.measured(i, exact, method, chosen, tried);
    return {
      planned: { placed, transform, activations, quantized: chosen.quantized },
      settings,
      method,
      measured,
      leftOut: this.leftOut(settings, method, measured),
    };
  }

  /** What the linear goes without, of what would have been done or measured. */
  private leftOut(
    { treatment, parts, method: wanted }: LinearSettings,
    method: Method,
    { sqnr, compared }: Measured,
  ): LeftOut | null {
    const { unrotated } = this.variants;
    if (unrotated === null || treatment !== 'transform') return null;
    const rotation = rotationOf(method, parts) === 'auto';
    const others = sqnr !== null && this.options.compare !== false ? COMPARED : [];
    const looked = wanted === 'auto' ? CANDIDATES : others;
    const methods = looked.filter((other) => other !== method && compared[other] === undefined);
    return rotation || methods.length > 0 ? { why: unrotated, rotation, methods } : null;
  }

  /**
   * Quantizes the i-th linear in one way and measures it, where there is something to measure on.
   */
  private attempt(variant: Variant, i: number, exact: Float32Array | null): Candidate {
    const { settings } = this.tasks[i]!;
    const w = this.matrices[i]!;
    const { transform, transformed } = variant;
    const feedback = this.variants.feedback(variant, settings);
    const quantized = quantizeLinear(transform, w, w.length / transform.d, settings, feedback);
    const sqnr =
      exact === null || transformed === null
        ? null
        : measure(transform, quantized, transformed, w, exact);
    return { variant, quantized, sqnr };
  }

  /**
   * The user's method; where it leaves the rotation open, the better way for all linears of the
   * site together.
   */
  private chosenTry(method: Method, i: number, exact: Float32Array | null): Candidate {
    const { settings } = this.tasks[0]!;
    const rotate = rotationOf(method, settings.parts);
    const { weights, activations } = settings;
    const decidable =
      this.samples !== null &&
      this.variants.unrotated === null &&
      weights.format.kind !== 'float32';
    const open = rotate === 'auto' && decidable && !fitsIn(activations.format, 5);
    // weights alone are quantized as they are, whatever the options say of transforms
    if (settings.treatment === 'weightOnly')
      return this.attempt(this.variants.get('rtn', {}), i, exact);
    if (!open) return this.attempt(this.variants.get(method, settings.parts), i, exact);
    const rotation = this.rotations.get(method) ?? this.measureRotation(method, settings.parts);
    this.rotations.set(method, rotation);
    const kept = rotation.tries[i]!;
    // held only until it is used: these are whole weight matrices
    rotation.tries[i] = null;
    const parts = { ...settings.parts, ...rotation.parts };
    return kept ?? this.attempt(this.variants.get(method, parts), i, exact);
  }

  private measureRotation(method: Method, parts: Partial<Parts>): Rotation {
    const { samples } = this;
    const ways = [true, false].map((rotate) => {
      const variant = this.variants.get(method, { ...parts, rotate });
      const tries = this.tasks.map(({ placed }, i) => {
        const { site, linear } = placed;
        const exact = matmul(samples!.rows, this.matrices[i]!, samples!.count, site.d, linear.n);
        return this.attempt(variant, i, exact);
      });
      const total = comparable(tries.reduce((sum, { sqnr }) => sum + sqnr!.output, 0));
      return { parts: { rotate }, tries, total };
    });
    const [rotated, plain] = ways as [Rotation & { total: number }, Rotation & { total: number }];
    // nothing lost either way, as without quantization, is no reason not to
    return plain.total > rotated.total ? plain : rotated;
  }

  private chosenMethod(
    i: number,
    exact: Float32Array | null,
    tried: Map<Method, Candidate>,
  ): Method {
    const { method, treatment, parts } = this.tasks[i]!.settings;
    if (treatment === 'weightOnly') return 'rtn';
    if (method !== 'auto') return method;
    const candidates = CANDIDATES.filter((one) => this.variants.has(one, parts));
    for (const candidate of candidates) {
      // as each would do by itself
      tried.set(candidate, this.chosenTry(candidate, i, exact));
    }
    const outputs = candidates.map((one) => comparable(tried.get(one)!.sqnr!.output));
    const best = Math.max(...outputs);
    return candidates[outputs.findIndex((output) => output >= best - TIE_DB)] ?? 'hadanorm';
  }

  private measured(
    i: number,
    exact: Float32Array | null,
    method: Method,
    { variant, quantized, sqnr }: Candidate,
    tried: ReadonlyMap<Method, Candidate>,
  ): Measured {
    const { transformed, transform } = variant;
    if (exact === null || transformed === null || sqnr === null) {
      return { sqnr: null, compared: {}, at8Bits: null, byTimestep: [], channels: null };
    }
    const { settings } = this.tasks[i]!;
    const compared: Partial<Record<Method, Sqnr>> = {};
    const others = settings.treatment === 'transform' && this.options.compare !== false;
    for (const other of others ? COMPARED : []) {
      const same = other === method && Object.keys(settings.parts).length === 0;
      const plain = () => this.attempt(this.variants.get(other, {}), i, exact);
      if (same) compared[other] = sqnr;
      else if (tried.has(other)) compared[other] = tried.get(other)!.sqnr!;
      else if (this.variants.has(other, {})) compared[other] = plain().sqnr!;
    }
    for (const [candidate, { sqnr: figures }] of tried) compared[candidate] = figures!;
    const { samples } = transformed;
    const output = linearOutput(transform, quantized, transformed);
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
              after: channelHistogram(transformed.transformed, transform.d),
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
    const finer = { weights: { ...weights, format: weights.at8Bits }, lowRank };
    const quantized = quantizeLinear(t, w, w.length / t.d, finer, null);
    const quantizer =
      treatment === 'weightOnly' || activations.format.kind === 'float32'
        ? null
        : this.variants.quantizerAt8Bits(activations, t);
    const transformed = transformSamples(t, this.samples!, quantizer);
    const { output } = measure(t, quantized, transformed, w, exact);
    // codes and scales; what else is stored beside them, the report adds
    return { output, bytes: storedBytes(quantized) };
  }
}

/** The way of rotating that was found better, and what was quantized to find out. */
interface Rotation {
  readonly parts: Partial<Parts>;
  readonly tries: (Candidate | null)[];
}

interface Candidate {
  readonly variant: Variant;
  readonly quantized: QuantizedLinear;
  readonly sqnr: Sqnr | null;
}

/** @throws HadaNormError for a linear that gives no numbers, on the calibration data already. */
function checkMeasured(
  op: string,
  name: string,
  method: Method,
  sqnr: Sqnr | null,
  exact: Float32Array | null,
): void {
  if (sqnr === null || !Number.isNaN(sqnr.output)) return;
  const linear = JSON.stringify(name);
  throw new HadaNormError(
    op,
    exact!.every(Number.isFinite)
      ? `quantized by ${method}, ${linear} gives NaN on the calibration data. ${LEAVE_OUT}`
      : `${linear} overflows float32 on the calibration data, unquantized. ${CALIBRATE_AGAIN}`,
  );
}

const LEAVE_OUT = "Give it another method by a rule, or treatment 'skip'.";
const CALIBRATE_AGAIN = "Calibrate on inputs that it can take, or give it a rule with 'skip'.";
