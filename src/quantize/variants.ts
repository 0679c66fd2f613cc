import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { FLOAT32 } from '../../ops/numerics/formats.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import type { FittedBranch } from './branch.js';
import { type Way, wayKey } from './candidates.js';
import { type CrossFit, crossFitOf } from './crossFit.js';
import type { Feedback } from './feedback.js';
import { feedbackFor } from './hessian.js';
import { activationQuantizer, type TransformedSamples, transformSamples } from './measure.js';
import type { Method, Parts } from './methods.js';
import type { Task } from './plan.js';
import { rotationNamed, rotationOf, whyNotRotated } from './rotation.js';
import type { Samples } from './samples.js';
import {
  type ActivationQuantizer,
  type ActivationSettings,
  type LinearSettings,
  wantsGptq,
} from './settings.js';
import { feedbackBeside, fitSiteBranch } from './siteBranch.js';
import { makeTransform, type Transform } from './transform.js';

/** One way of treating a site, and what follows from it for all of its linears. */
export interface Variant {
  readonly transform: Transform;
  readonly activations: ActivationQuantizer | null;
  /** The transform's branch with what fits weights to it; null where it has none. */
  readonly fitted: FittedBranch | null;
  /** Undefined until it is asked for. */
  feedback: Feedback | null | undefined;
  readonly transformed: TransformedSamples | null;
  /** Null where nothing was fitted to the means. */
  crossFit: CrossFit | null | undefined;
}

/** Bytes beyond which what GPTQ needs of a site is held for one way only. */
const FEEDBACK_BYTES = 2 ** 26;

/** The ways of treating one site, each made once. */
export class Variants {
  /** Why rotations are left out here; null where they can be, or must be. */
  readonly unrotated: string | null;
  private readonly made = new Map<string, Variant>();

  constructor(
    private readonly op: string,
    private readonly tasks: readonly Task[],
    private readonly stats: SiteStats | null,
    private readonly samples: Samples | null,
    private readonly matrices: readonly Float32Array[],
    private readonly seed: number,
  ) {
    const { placed, settings } = tasks[0]!;
    this.unrotated = rotationNamed(settings)
      ? null
      : whyNotRotated(placed.site.d, settings.blockSize);
  }

  /** Whether a method, some of its parts replaced, can be made here. */
  has(method: Method, replaced: Partial<Parts>): boolean {
    return this.unrotated === null || rotationOf(method, replaced) !== true;
  }

  /** A transform on this site, with what follows from it. */
  get(way: Way): Variant {
    const key = wayKey(way);
    const made = this.made.get(key) ?? this.make(way);
    this.made.set(key, made);
    return made;
  }

  /** Lets go of a transform: it is made again where it is asked for again. */
  drop(way: Way): void {
    this.made.delete(wayKey(way));
  }

  private make({ parts, branch }: Way): Variant {
    const { tasks, stats, samples, matrices, seed } = this;
    const { placed, settings } = tasks[0]!;
    const { site } = placed;
    const all = tasks.map((task) => task.settings);
    const bare = makeTransform(this.op, parts, stats, matrices, site.d, {
      blockSize: settings.blockSize,
      seed,
      gptq: stats?.scatter != null && all.some(({ weights }) => wantsGptq(weights)),
      branched: branch !== null,
    });
    const beside = branch === null ? null : fitSiteBranch(bare, branch, all, stats, matrices);
    const fitted = beside?.fitted ?? null;
    const transform = { ...bare, branch: fitted?.branch ?? null };
    const raw = { ...settings.activations, format: FLOAT32 };
    const given = settings.treatment === 'weightOnly' ? raw : settings.activations;
    const rows = needsRange(given) ? this.transformedRows(transform) : null;
    const activations = activationQuantizer(given, rows);
    const transformed = samples === null ? null : transformSamples(transform, samples, activations);
    const feedback = beside?.feedback;
    return { transform, activations, fitted, transformed, feedback, crossFit: undefined };
  }

  private transformedRows(transform: Transform): Float32Array {
    if (this.samples !== null) return transformSamples(transform, this.samples, null).quantized;
    const wayOut = 'Pass stats: await calibrate(model, batches).';
    const wanted = "given where activations.range is 'static'";
    throw new InvalidArgumentError(this.op, 'stats', wanted, 'none', wayOut);
  }

  /** What GPTQ needs, where the weights are to be rounded by it; null to round to nearest. */
  feedback(variant: Variant, { weights }: LinearSettings): Feedback | null {
    if (!wantsGptq(weights)) return null;
    const { rounding } = weights;
    if (variant.feedback === undefined) {
      variant.feedback = this.feedbackOf(variant);
      this.trim(variant);
    }
    if (variant.feedback !== null || rounding === null) return variant.feedback;
    const { name } = this.tasks[0]!.placed.linear;
    const wayOut = 'Calibrate with hessian: true, or set rounding to nearest.';
    const wanted = `'nearest' for ${name}, whose statistics hold no Hessian`;
    throw new InvalidArgumentError(this.op, 'weights.rounding', wanted, "'gptq'", wayOut);
  }

  private feedbackOf({ transform, fitted }: Variant): Feedback | null {
    const { stats } = this;
    if (stats === null) return null;
    return fitted === null
      ? feedbackFor(transform, stats)
      : feedbackBeside(transform, stats, fitted);
  }

  /** Of wide layers only a few feedbacks are held: they are made again where they are asked for. */
  private trim(latest: Variant): void {
    let bytes = 0;
    for (const variant of [latest, ...[...this.made.values()].reverse()]) {
      if (variant.feedback === undefined || variant.feedback === null) continue;
      if (variant !== latest && bytes > FEEDBACK_BYTES) variant.feedback = undefined;
      else bytes += variant.feedback.upper.values.byteLength;
    }
  }

  /** The kept samples as others would come; null where they are those already. */
  crossFit(variant: Variant): CrossFit | null {
    const { transform, transformed } = variant;
    if (this.stats === null || transformed === null) return null;
    variant.crossFit ??= crossFitOf(transform, this.stats, transformed);
    return variant.crossFit;
  }

  /** What a rule with 8 bits would make of the activations' options. */
  quantizerAt8Bits(given: ActivationSettings, t: Transform) {
    const finer = { ...given, format: given.at8Bits };
    return activationQuantizer(finer, needsRange(finer) ? this.transformedRows(t) : null);
  }
}

function needsRange({ format, range }: ActivationSettings): boolean {
  return format.kind !== 'float32' && range === 'static';
}
