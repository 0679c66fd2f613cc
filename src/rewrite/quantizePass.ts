import { getBackend } from '@tensorflow/tfjs-core';
import { inNameOf } from '../../ops/common/callers.js';
import type { GraphBuilder } from '../graph/builder.js';
import { weightBytes } from '../graph/weights.js';
import type { Outcome, PlannedLinear, Task } from '../quantize/plan.js';
import { SiteQuantizer } from '../quantize/siteQuantizer.js';
import { statsFor } from '../quantize/siteStatistics.js';
import type { Transform } from '../quantize/transform.js';
import { type ActivationBehind, activationBehind } from '../recognize/activations.js';
import { MaskEmitter } from '../recognize/emitMask.js';
import type { Linear } from '../recognize/linears.js';
import type { Match, Pass } from '../recognize/normalize/engine.js';
import type { TokenMask } from '../recognize/tokenMask.js';
import type { LinearReport } from '../report/report.js';
import type { ShapedView } from '../shapes/view.js';
import { type Done, doneOf } from './done.js';
import { emitLinear } from './emit.js';
import { type EmittedTransform, emitTransform } from './emitTransform.js';
import { REWRITE_DEFAULTS, type RewriteOptions } from './options.js';
import { linearReport } from './reporting.js';

/** A linear that is quantized already; its packed weights go into the graph, and it is let go. */
interface QuantizedMatch extends Match {
  /** Gives it once: who looks through the matches holds them longer than a weight matrix should. */
  readonly take: () => Outcome;
  /** The activation that goes with it, where the product applies it. */
  readonly behind: ActivationBehind | null;
  readonly group: Group;
}

/** The linears that share a transform. */
interface Group {
  readonly size: number;
  /** The name of its first linear. */
  readonly first: string;
}

/** A transform in the graph, and its bytes in the file. */
interface SharedTransform {
  readonly from: EmittedTransform;
  readonly bytes: number;
}

/**
 * Puts quantized linears in the place of linears:
 *
 *   product (→ bias addition)            ⇒  [transform →] QuantizedMatMul (→ …)
 *   … (→ reshape) → Mul, Erf, …          ⇒  … QuantizedMatMul (→ …)
 *
 * The last node has the old name; in the second case, where the product applies the activation
 * behind it, that of the activation.
 *
 * Linears are quantized one by one, while the pass looks for its matches: whole weight matrices
 * live only as long as their site is at work.
 */
export class QuantizePass implements Pass<QuantizedMatch> {
  readonly name = 'quantize';
  /** By the linear's name. */
  readonly reports = new Map<string, LinearReport>();
  /** In the order in which they were quantized. */
  readonly done: Done[] = [];
  private readonly transforms = new WeakMap<Transform, SharedTransform>();
  private readonly integer: boolean;
  private emitter: MaskEmitter | null = null;

  constructor(
    private readonly op: string,
    private readonly groups: readonly (readonly Task[])[],
    private readonly options: RewriteOptions,
    private readonly masks: ReadonlyMap<string, TokenMask>,
  ) {
    this.integer = (options.mode ?? REWRITE_DEFAULTS.mode) === 'integer';
  }

  *match(view: ShapedView): Generator<QuantizedMatch> {
    for (const tasks of this.groups) {
      const work = new SiteWork(() => this.quantizerOf(tasks), tasks.length);
      const group = { size: tasks.length, first: tasks[0]!.placed.linear.name };
      for (const [i, { placed }] of tasks.entries()) {
        yield this.matchOf(view, placed.linear, () => work.outcome(i), group);
      }
    }
  }

  replace(builder: GraphBuilder, { take, behind, group }: QuantizedMatch): void {
    const outcome = take();
    const { planned } = outcome;
    const { integer } = this;
    const known = this.transforms.get(planned.transform);
    const { from, bytes } = known ?? this.addTransform(builder, outcome);
    const start = builder.weights.size;
    emitLinear(builder, planned, from, { integer, behind });
    const own = bytesSince(builder, start);
    const shared = known === undefined ? bytes : 0;
    const apart = group.size > 1 ? bytes : 0;
    const transformOf = group.first;
    const where = { backend: getBackend(), integer, mask: this.maskOf(planned), transformOf };
    const report = linearReport(
      outcome,
      { own, shared, apart },
      { ...where, transformOf: group.first },
    );
    this.reports.set(planned.placed.linear.name, report);
    this.done.push(doneOf(outcome));
  }

  private quantizerOf(tasks: readonly Task[]): SiteQuantizer {
    const stats = statsFor(this.op, this.options, tasks[0]!);
    return new SiteQuantizer(this.op, tasks, stats, this.options);
  }

  /** A function of its own: a generator that waits would hold what `quantized` gives. */
  private matchOf(
    view: ShapedView,
    linear: Linear,
    quantized: () => Outcome,
    group: Group,
  ): QuantizedMatch {
    const take = once(inNameOf(this.op, JSON.stringify(linear.name), quantized));
    const behind = this.integer ? activationBehind(view, linear) : null;
    const activation = [...(behind?.path ?? []), ...(behind?.nodes ?? [])];
    const own = [linear.product, ...(linear.turned === null ? [] : [linear.turned.node])];
    const replaced = [...own, linear.name, ...activation.map(({ name }) => name)];
    return { at: linear.name, replaced, take, behind, group };
  }

  /** Which tokens a transform's mean is of; null for all, or where there is no such mean. */
  private maskOf({ placed, transform }: PlannedLinear): TokenMask | null {
    return transform.parts.center === 'dynamic' ? (this.masks.get(placed.key) ?? null) : null;
  }

  private addTransform(builder: GraphBuilder, { planned }: Outcome): SharedTransform {
    const { transform, activations, placed } = planned;
    const start = builder.weights.size;
    const mask = this.maskOf(planned);
    this.emitter ??= new MaskEmitter(builder);
    const form = {
      integer: this.integer,
      mask: mask === null ? null : this.emitter.emit(mask),
    };
    const from = emitTransform(builder, placed.site, transform, activations, form);
    const made = { from, bytes: bytesSince(builder, start) };
    this.transforms.set(transform, made);
    return made;
  }
}

/** A site at work, let go of with its last linear: before the next one its weights are read. */
class SiteWork {
  private site: SiteQuantizer | null;

  constructor(
    make: () => SiteQuantizer,
    private left: number,
  ) {
    this.site = make();
  }

  outcome(i: number): Outcome {
    const outcome = this.site!.outcome(i);
    if (--this.left === 0) this.site = null;
    return outcome;
  }
}

function once<T>(value: T): () => T {
  let held: T | null = value;
  return () => {
    const given = held!;
    held = null;
    return given;
  };
}

/** Bytes in the file of the weights that were made since there were `start` of them. */
function bytesSince({ weights }: GraphBuilder, start: number): number {
  return [...weights.values()].slice(start).reduce((sum, weight) => sum + weightBytes(weight), 0);
}
