import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { Tensor } from '@tensorflow/tfjs-core';
import { bringToHost, throughout } from '../../ops/common/alive.js';
import { Collector } from '../calibrate/collector.js';
import type { CalibrateSettings, Target } from '../calibrate/settings.js';
import { Shown } from '../calibrate/shown.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { listen, TAP_OP, withTaps } from '../calibrate/tap.js';
import { sitesOf } from '../calibrate/targets.js';
import { type Batch, tensorsIn } from '../feed/batch.js';
import { numberAttr } from '../graph/attrs.js';
import { GraphBuilder } from '../graph/builder.js';
import { modelFromTensors } from '../graph/model.js';
import { type Segment, segmentsOf } from '../graph/segments.js';
import { weightBytes } from '../graph/weights.js';
import { runnableNodes } from '../passes/runnable.js';
import { usesHessian } from '../quantize/plan.js';
import { withMasks } from '../recognize/emitMask.js';
import type { PreparedRewrite } from '../rewrite/steps.js';
import { BlockRun } from './blockRun.js';
import type { BlockCalibration } from './given.js';

/**
 * The calibration of a model in parts: each runs on all batches before the next, so that of weights
 * and Hessians there are only those of one part at a time.
 */
export class BlockStats {
  readonly segments: readonly Segment[];
  /** By its name, which part gives a site's tensor. */
  readonly partOf: ReadonlyMap<string, number>;
  private readonly batches: readonly Batch[];
  private readonly settings: CalibrateSettings;
  private readonly builder: GraphBuilder;
  private readonly targets: readonly Target[];
  private readonly targetsOf: readonly (readonly number[])[];
  private readonly face: GraphModel;
  private readonly run: BlockRun;
  private readonly session: ReturnType<typeof listen>;
  private shown: Shown | null = null;
  /** Places of the part's targets among all. */
  private places = new Map<number, number>();

  constructor(
    private readonly op: string,
    { normal, analysis, masks, graph, groups }: PreparedRewrite,
    { batches, settings, partBytes }: BlockCalibration,
  ) {
    this.batches = batches;
    this.settings = settings;
    this.builder = new GraphBuilder(normal);
    // what no linear makes use of is not gathered: of a wide site it is the most that there is
    const wanted = new Set(
      groups
        .flat()
        .filter(usesHessian)
        .map(({ placed }) => placed.key),
    );
    this.targets = sitesOf(analysis.linears, settings.hessian, masks.masks).map((target) =>
      wanted.has(target.key) ? target : { ...target, hessian: false },
    );
    const asked = this.targets.flatMap(({ key, mask }) =>
      mask === null ? [] : [[key, mask] as const],
    );
    const { graph: masked, refs } = withMasks(normal, this.builder, new Map(asked));
    const sites = this.targets.map(({ key, site }) => ({ ...site, mask: refs.get(key) ?? null }));
    this.session = listen((index, tapped) => this.shown?.see(this.places.get(index)!, tapped));
    const lowered = runnableNodes(op, masked, this.builder);
    const whole = withTaps(lowered, sites, this.session.session);
    this.segments = segmentsOf(whole, (name) => weightBytes(whole.weights.get(name)!), partBytes);
    this.targetsOf = this.segments.map(({ graph: { nodes } }) =>
      [...nodes.values()].flatMap(({ op: kind, attrs }) =>
        kind === TAP_OP ? [numberAttr(attrs, 'site', -1)] : [],
      ),
    );
    this.partOf = new Map(
      this.targetsOf.flatMap((own, part) => own.map((i) => [this.targets[i]!.key, part])),
    );
    // no weights: it only tells the inputs
    this.face = modelFromTensors(graph, {});
    this.run = new BlockRun(op, this.face, batches);
  }

  /** A weight that is none of the checkpoint's, made for the calibration. */
  made(name: string): Tensor | undefined {
    return this.builder.tensors.get(name);
  }

  /** Runs a part on all batches. Returns what its sites saw. */
  async observe(
    part: number,
    tensorOf: (weight: string) => Tensor,
    onBatch: (done: number) => void,
  ): Promise<ReadonlyMap<string, SiteStats>> {
    const own = this.targetsOf[part]!;
    const collector = new Collector(
      own.map((i) => this.targets[i]!),
      this.settings,
    );
    const shown = new Shown(collector);
    this.places = new Map(own.map((target, i) => [target, i]));
    this.shown = shown;
    try {
      await this.run.through(this.segments[part]!, tensorOf, async (i, run) => {
        const batch = this.batches[i]!;
        await throughout(this.op, tensorsIn(batch), async () => {
          await bringToHost(this.op, tensorsIn(batch));
          if (own.length > 0) collector.startBatch(this.face, batch);
          run();
          await shown.settle();
        });
        if (own.length > 0) {
          collector.checkSeen();
          collector.endBatch();
        }
        onBatch(i + 1);
      });
      this.run.keepOnly(this.segments.slice(part + 1));
      return collector.stats().sites;
    } finally {
      shown.clear();
      this.shown = null;
    }
  }

  dispose(): void {
    this.session.stop();
    this.run.dispose();
    this.builder.dispose();
  }
}
