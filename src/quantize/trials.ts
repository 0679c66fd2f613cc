import { meanErrorDecibels, sqnr } from '../math/decibels.js';
import { matmul } from '../math/matrix.js';
import { type Way, wayKey } from './candidates.js';
import { crossFittedOutput } from './crossFit.js';
import { linearOutput, measure } from './measure.js';
import type { Sqnr } from './measured.js';
import type { Task } from './plan.js';
import { type QuantizedLinear, quantizeLinear } from './quantizeLinear.js';
import type { Changed } from './refit.js';
import {
  columns,
  isSurelyBehind,
  pickedOutputs,
  type SampledErrors,
  sampledErrors,
} from './sampledOutputs.js';
import type { Samples } from './samples.js';
import type { LinearSettings } from './settings.js';
import type { Variant, Variants } from './variants.js';

/** A linear quantized in one way, and measured where there is something to measure on. */
export interface Trial {
  readonly variant: Variant;
  readonly quantized: QuantizedLinear;
  readonly sqnr: Sqnr | null;
}

/** What is known of one way. */
interface Known {
  /** By linear. These are whole weight matrices: held only until they are used, or lose. */
  readonly trials: Map<number, Trial>;
  readonly figures: Map<number, Sqnr | null>;
  /** SQNR of each output as `whole` counts it, dB. */
  readonly outputs: Map<number, number>;
  sampled: Sampled | null;
}

/** What some of the outputs say of a way. */
interface Sampled {
  /** SQNR of the site's outputs, dB. */
  readonly output: number;
  /** By linear, dB. */
  readonly outputs: readonly number[];
  /** By linear. */
  readonly errors: readonly SampledErrors[];
}

/** The linears of one site, quantized in ways that are to be compared. */
export class Trials {
  private readonly known = new Map<string, Known>();
  private readonly exacts = new Map<number, Float32Array>();
  private readonly targets = new Map<number, Float32Array>();
  /** Which of each linear's output channels stand for it; null: all of them. */
  private readonly picks: readonly (Int32Array | null)[];

  constructor(
    private readonly tasks: readonly Task[],
    private readonly samples: Samples | null,
    private readonly variants: Variants,
    private readonly matrices: readonly Float32Array[],
    private readonly changed: Changed | null,
  ) {
    this.picks = tasks.map(({ placed }) => pickedOutputs(placed.linear.n));
  }

  /** x W of the kept tokens, W the i-th linear's weights as given; null where none were kept. */
  exact(i: number): Float32Array | null {
    const { samples } = this;
    if (samples === null) return null;
    const { linear, site } = this.tasks[i]!.placed;
    const made = () => {
      const product = matmul(samples.rows, this.matrices[i]!, samples.count, site.d, linear.n);
      const shift = this.changed?.shifts[i] ?? null;
      return shift === null ? product : product.map((v, at) => v + shift[at % linear.n]!);
    };
    const exact = this.exacts.get(i) ?? made();
    this.exacts.set(i, exact);
    return exact;
  }

  /**
   * What the i-th linear is to give of the kept tokens: of a sequential calibration what the
   * original model gives. Ways are chosen by `exact`, for of what the linears before have lost
   * none is to blame.
   */
  target(i: number): Float32Array | null {
    if (this.changed === null || this.samples === null) return this.exact(i);
    const target = this.targets.get(i) ?? this.changed.target(i);
    this.targets.set(i, target);
    return target;
  }

  /** The i-th linear in one way, quantized now unless that is still held; it is let go of. */
  take(way: Way, i: number): Trial {
    const { trials, figures } = this.of(way);
    const trial = trials.get(i) ?? this.attempt(way, i);
    trials.delete(i);
    figures.set(i, trial.sqnr);
    return trial;
  }

  /** What the i-th linear measures in one way; null where there is nothing to measure on. */
  figures(way: Way, i: number): Sqnr | null {
    const known = this.of(way).figures.get(i);
    return known === undefined ? this.take(way, i).sqnr : known;
  }

  /**
   * SQNR of the site's outputs in one way, dB. A linear's error counts by its own signal: how large
   * the queries, keys and values of one input are says nothing of what their errors do behind them.
   * Where a basis was fitted to the means, it is what the output would be of other samples.
   */
  whole(way: Way): number {
    const { trials, figures, outputs } = this.of(way);
    const all = this.tasks.map((_, i) => {
      const known = outputs.get(i);
      if (known !== undefined) return known;
      const trial = this.attempt(way, i);
      trials.set(i, trial);
      figures.set(i, trial.sqnr);
      const output = this.outputOf(trial, this.matrices[i]!, this.exact(i)!) ?? this.own(trial, i);
      outputs.set(i, output);
      return output;
    });
    return meanErrorDecibels(all);
  }

  /**
   * The same of some output channels of each linear, evenly spread; of all where there are few. A
   * channel's codes do not depend on the others', by GPTQ neither: these are the very codes that it
   * would have.
   */
  sampled(way: Way): number {
    if (this.picks.every((picked) => picked === null)) return this.whole(way);
    return this.sample(way).output;
  }

  /** The same of each linear by itself. */
  sampledOutputs(way: Way): readonly number[] {
    if (this.picks.some((picked) => picked !== null)) return this.sample(way).outputs;
    this.whole(way);
    return this.tasks.map((_, i) => this.of(way).outputs.get(i)!);
  }

  /** Whether some of the outputs say for sure that a way is behind another, by more than `dB`. */
  isBehind(way: Way, other: Way, dB: number): boolean {
    if (this.picks.every((picked) => picked === null)) return false;
    return isSurelyBehind(this.sample(way).errors, this.sample(other).errors, dB);
  }

  /** Lets go of what was quantized in a way that has lost; what it measured stays known. */
  drop(way: Way, { transform }: { readonly transform: boolean }): void {
    this.of(way).trials.clear();
    if (transform) this.variants.drop(way);
  }

  private of(way: Way): Known {
    const key = wayKey(way);
    const known = this.known.get(key) ?? {
      trials: new Map(),
      figures: new Map(),
      outputs: new Map(),
      sampled: null,
    };
    this.known.set(key, known);
    return known;
  }

  private attempt(way: Way, i: number): Trial {
    const { settings } = this.tasks[i]!;
    const variant = this.variants.get(way);
    const { transform, transformed } = variant;
    const w = this.matrices[i]!;
    const target = this.target(i);
    const own = this.quantized(variant, settings, w);
    const quantized = { ...own, shift: this.changed?.shifts[i] ?? null };
    const measured = target !== null && transformed !== null;
    const figures = measured ? measure(transform, quantized, transformed, w, target) : null;
    return { variant, quantized, sqnr: figures };
  }

  /** What it loses by itself. */
  private own({ variant, quantized, sqnr: figures }: Trial, i: number): number {
    if (this.changed === null) return figures!.output;
    const output = linearOutput(variant.transform, quantized, variant.transformed!);
    return sqnr(this.exact(i)!, output);
  }

  private quantized(variant: Variant, settings: LinearSettings, w: Float32Array): QuantizedLinear {
    const { transform: t, fitted } = variant;
    const feedback = this.variants.feedback(variant, settings);
    return quantizeLinear(t, w, w.length / t.d, settings.weights, feedback, fitted);
  }

  private sample(way: Way): Sampled {
    const known = this.of(way);
    if (known.sampled === null) {
      const outputs = this.picks.map((picked, i) => this.sampledOutput(way, i, picked));
      known.sampled = {
        output: meanErrorDecibels(outputs.map((own) => own.output)),
        outputs: outputs.map((own) => own.output),
        errors: outputs.map(({ errors }) => errors),
      };
    }
    return known.sampled;
  }

  private sampledOutput(way: Way, i: number, picked: Int32Array | null) {
    const { settings, placed } = this.tasks[i]!;
    const { site, linear } = placed;
    const variant = this.variants.get(way);
    const { transform, transformed } = variant;
    const whole = this.matrices[i]!;
    const w = columns(whole, site.d, linear.n, picked);
    const exact = columns(this.exact(i)!, this.samples!.count, linear.n, picked);
    const own = this.quantized(variant, settings, w);
    const shifts = this.changed?.shifts[i] ?? null;
    const shift = shifts && columns(shifts, 1, linear.n, picked);
    const quantized = { ...own, shift };
    const output =
      this.unfittedOutput({ variant, quantized }, w) ??
      linearOutput(transform, quantized, transformed!);
    const errors = sampledErrors(exact, output, quantized.n, picked === null);
    return { output: sqnr(exact, output), errors };
  }

  /** SQNR of an output as of samples that were not fitted to, dB; null where nothing was. */
  private outputOf(trial: Trial, w: Float32Array, exact: Float32Array): number | null {
    const output = this.unfittedOutput(trial, w);
    return output === null ? null : sqnr(exact, output);
  }

  private unfittedOutput(
    { variant, quantized }: Pick<Trial, 'variant' | 'quantized'>,
    w: Float32Array,
  ): Float32Array | null {
    const fit = this.variants.crossFit(variant);
    return fit && crossFittedOutput(variant.transform, quantized, w, fit);
  }
}
