import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { fitsIn } from '../../ops/numerics/formats.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { comparable } from '../math/decibels.js';
import type { BranchKind } from './branch.js';
import { branchesOf, type Latitude, latitudeOf, type Way, wayKey, waysOf } from './candidates.js';
import { checkMeasured } from './checkMeasured.js';
import { type Choice, chooseMethod, chooseWay, measuredWays } from './choose.js';
import type { Measured, MeasuredWay, Sqnr } from './measured.js';
import type { Method } from './methods.js';
import { otherRanks, type RankChange } from './otherRanks.js';
import type { LeftOut, Outcome, Task } from './plan.js';
import { changedBy, refitWeights } from './refit.js';
import { rotationOf } from './rotation.js';
import { type Samples, samplesOf } from './samples.js';
import type { LinearSettings } from './settings.js';
import { branchRank } from './siteBranch.js';
import { measuresOf, UNMEASURED } from './siteMeasures.js';
import { type Trial, Trials } from './trials.js';
import { Variants } from './variants.js';

/** Methods from the cheapest at run time to the dearest. */
const CANDIDATES: readonly Method[] = ['rtn', 'smoothquant', 'centered', 'hadamard', 'hadanorm'];

/** What the report compares the chosen method with. */
const COMPARED: readonly Method[] = ['rtn', 'smoothquant', 'hadamard'];

/** Options of a rewrite that are the same for all sites. */
export interface SiteOptions {
  readonly seed?: number;
  readonly compare?: boolean;
  readonly ranks?: readonly number[];
}

/** The linears of one site that share a transform, and what calibration knows of the site. */
export class SiteQuantizer {
  private readonly samples: Samples | null;
  /** As they are quantized: of a sequential calibration, refit to inputs that have changed. */
  private readonly matrices: readonly Float32Array[];
  private readonly variants: Variants;
  private readonly trials: Trials;
  /** Of the weights as they were, where they are refit; null elsewhere. */
  private readonly unfitted: Unfitted | null;
  private readonly latitude: Latitude;
  /** Kinds of branch that are open here; none without one. */
  private readonly branches: readonly BranchKind[];
  private decision: Decision | null = null;
  private ranked: ReturnType<typeof otherRanks> | null = null;

  constructor(
    private readonly op: string,
    private readonly tasks: readonly Task[],
    stats: SiteStats | null,
    private readonly options: SiteOptions,
  ) {
    this.samples = samplesOf(stats);
    const own = tasks.map(({ placed }) => placed.linear.matrix());
    // weights that are not quantized stay what they are
    const packed = tasks.every(({ settings }) => settings.weights.format.kind !== 'float32');
    const { format } = tasks[0]!.settings.activations;
    const unshrunk = fitsIn(format, 5);
    const fitted = stats === null || !packed ? null : refitWeights(stats, own, { unshrunk });
    this.matrices = fitted ?? own;
    this.variants = new Variants(op, tasks, stats, this.samples, this.matrices, options.seed ?? 0);
    const trialsOf = (matrices: readonly Float32Array[]) => {
      const changed = stats && changedBy(stats, this.samples, own, matrices);
      return new Trials(tasks, this.samples, this.variants, matrices, changed);
    };
    this.trials = trialsOf(this.matrices);
    this.unfitted = fitted && { matrices: own, trials: trialsOf(own) };
    const [first] = tasks as [Task];
    const rotatable = this.variants.unrotated === null;
    this.latitude = latitudeOf(tasks, this.samples !== null, rotatable);
    this.branches = branchesOf(tasks, stats?.scatter != null);
    const { method, treatment } = first.settings;
    if (method === 'auto' && treatment === 'transform' && this.samples === null) {
      const wayOut = 'Pass stats: await calibrate(model, batches).';
      const wanted = `given for method 'auto' (${first.placed.linear.name})`;
      throw new InvalidArgumentError(op, 'stats', wanted, 'none', wayOut);
    }
  }

  /** Quantizes the site's i-th linear. */
  outcome(i: number): Outcome {
    const { placed, settings } = this.tasks[i]!;
    this.decision ??= this.decide();
    const { way } = this.decision;
    const { trial, w, refit } = this.better(way, i);
    const { variant, quantized, sqnr } = trial;
    checkMeasured(this.op, placed.linear.name, way.method, sqnr, this.trials.target(i));
    const { transform, activations } = variant;
    const measured = this.measured(i, trial, w, this.decision);
    return {
      planned: { placed, transform, activations, quantized },
      settings,
      method: way.method,
      measured,
      leftOut: this.leftOut(settings, way.method, measured),
      ...(refit === null ? {} : { refit }),
    };
  }

  /**
   * Refit, or as the weights were: by what is nearer to the original's outputs. Of activations of
   * few bits, whose error is larger than what the linears before lose, refitting may be worse.
   */
  private better(way: Way, i: number): Better {
    const trial = this.trials.take(way, i);
    const w = this.matrices[i]!;
    if (this.unfitted === null) return { trial, w, refit: null };
    const other = this.unfitted.trials.take(way, i);
    const isWorse = trial.sqnr !== null && other.sqnr!.output > trial.sqnr.output;
    if (isWorse) return { trial: other, w: this.unfitted.matrices[i]!, refit: false };
    return { trial, w, refit: true };
  }

  /** What is done to the linears of the site, all alike: measured together, where it is open. */
  private decide(): Decision {
    const { method, treatment, parts } = this.tasks[0]!.settings;
    const waysFor = (one: Method) => waysOf(one, parts, this.latitude);
    // weights alone are quantized as they are, whatever the options say of transforms
    if (treatment === 'weightOnly') {
      const [way] = waysOf('rtn', {}, this.latitude) as [Way];
      return { way, measured: [], compared: new Map() };
    }
    const looked = this.samples !== null && this.options.compare !== false ? COMPARED : [];
    const compared = new Map(
      looked
        .filter((other) => this.variants.has(other, {}))
        .map((other) => [other, waysOf(other, {}, this.latitude)[0]!]),
    );
    const pinned = new Set([...compared.values()].map(wayKey));
    if (method !== 'auto') {
      return this.decided(chooseWay(this.trials, waysFor(method), pinned), pinned, compared);
    }
    const candidates = CANDIDATES.filter((one) => this.variants.has(one, parts));
    // as each would do by itself
    const choices = candidates.map((one) => chooseWay(this.trials, waysFor(one), pinned));
    for (const { way } of choices) compared.set(way.method, way);
    return this.decided(chooseMethod(this.trials, choices), pinned, compared);
  }

  private decided(
    choice: Choice,
    pinned: ReadonlySet<string>,
    compared: ReadonlyMap<Method, Way>,
  ): Decision {
    const beside = this.beside(choice, pinned);
    return { way: beside.way, measured: measuredWays(this.trials, beside), compared };
  }

  /**
   * The same beside a branch, of the kind that measures best, unless that is worse than none. A
   * branch takes a second rounding: it comes to one way alone.
   */
  private beside(choice: Choice, pinned: ReadonlySet<string>): Choice {
    const rank = this.branches.length === 0 ? 0 : this.rankBeside(choice.way);
    if (rank === 0) return choice;
    const ways = this.branches.map((kind) => ({ ...choice.way, branch: { kind, rank } }));
    const { samples, trials } = this;
    if (samples === null) return { ...choice, way: ways[0]! };
    const without = comparable(trials.sampled(choice.way));
    if (!pinned.has(wayKey(choice.way))) trials.drop(choice.way, { transform: true });
    const chosen = chooseWay(trials, ways, pinned, choice.looked);
    if (comparable(trials.sampled(chosen.way)) >= without) return chosen;
    trials.drop(chosen.way, { transform: true });
    return { way: choice.way, looked: chosen.looked };
  }

  private rankBeside(way: Way): number {
    return branchRank(
      this.tasks.map(({ settings }) => settings),
      this.tasks[0]!.placed.site.d,
      this.tasks.map(({ placed }) => placed.linear.n),
      () => (this.samples === null ? null : this.trials.sampled(way)),
    );
  }

  private measured(
    i: number,
    trial: Trial,
    w: Float32Array,
    { way, measured, compared }: Decision,
  ): Measured {
    const { samples } = this;
    const { sqnr } = trial;
    const exact = this.trials.target(i);
    if (samples === null || exact === null || sqnr === null) return UNMEASURED;
    const { settings } = this.tasks[i]!;
    const subject = { settings, w, samples, exact };
    const figures = [...compared].map(([method, other]): [Method, Sqnr] => [
      method,
      this.trials.figures(other, i)!,
    ]);
    const atRanks = this.changesOf(way, i).map(({ lowRank, gain, bytes }) => {
      return { lowRank, output: sqnr.output + gain, bytes };
    });
    return {
      ...measuresOf(trial, subject, this.variants),
      compared: Object.fromEntries(figures),
      ...(measured.length === 0 ? {} : { ways: measured }),
      ...(atRanks.length === 0 ? {} : { atRanks }),
    };
  }

  private changesOf(way: Way, i: number): readonly RankChange[] {
    const { ranks = [] } = this.options;
    if (ranks.length === 0) return [];
    this.ranked ??= otherRanks(this.trials, way, this.tasks, ranks);
    return this.ranked[i]!;
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
}

/** Weights as they were, and what quantizing them gives. */
interface Unfitted {
  readonly matrices: readonly Float32Array[];
  readonly trials: Trials;
}

/** A linear as it is quantized: by which weights, and whether those are refit; null: never. */
interface Better {
  readonly trial: Trial;
  readonly w: Float32Array;
  readonly refit: boolean | null;
}

/** How the site is treated, and the ways that the report compares that with. */
interface Decision {
  readonly way: Way;
  /** What it was chosen from; empty where there was one way only. */
  readonly measured: readonly MeasuredWay[];
  readonly compared: ReadonlyMap<Method, Way>;
}
