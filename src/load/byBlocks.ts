import { reshape, type Tensor } from '@tensorflow/tfjs-core';
import { throwIfAborted } from '../../ops/common/callers.js';
import type { PreparedRewrite, RewrittenGraph } from '../rewrite/steps.js';
import type { Arriving } from './arriving.js';
import { BlockStats } from './blockStats.js';
import type { BlockCalibration } from './given.js';
import { GroupSteps, groupOf, type TaskGroup } from './groupSteps.js';
import type { Need } from './net/net.js';
import type { Opened } from './opening.js';

/** The part behind which all is there that a group needs. */
interface Group extends TaskGroup {
  readonly part: number;
}

/**
 * Calibrates and quantizes a checkpoint part by part: a part's weights are read, the batches run
 * through it, its linears are quantized, and weights and Hessians are let go of.
 */
export async function quantizedByBlocks(
  op: string,
  opened: Opened,
  weights: Arriving,
  prepared: PreparedRewrite,
  calibration: BlockCalibration,
): Promise<RewrittenGraph> {
  const stats = new BlockStats(op, prepared, calibration);
  const work = new BlockWork(op, opened, weights, prepared, stats, calibration);
  try {
    for (let part = 0; part < stats.segments.length; part++) {
      await work.read(part);
      await work.observe(part);
      await work.quantize(part);
    }
    return work.finish();
  } finally {
    work.stop();
    stats.dispose();
  }
}

/** What is done for one part after the other. */
class BlockWork {
  private readonly needs: ReadonlyMap<string, Need>;
  private readonly groups: readonly Group[];
  private readonly consumed: ReadonlySet<string>;
  private readonly steps: GroupSteps;
  private next = 0;
  private readonly seen = new Set<string>();

  constructor(
    private readonly op: string,
    private readonly opened: Opened,
    private readonly weights: Arriving,
    private readonly prepared: PreparedRewrite,
    private readonly stats: BlockStats,
    private readonly calibration: BlockCalibration,
  ) {
    this.needs = new Map(opened.plan.needs.map((need) => [need.weight, need]));
    this.groups = inOrderOfParts(prepared, stats);
    this.consumed = new Set(this.groups.flatMap((group) => group.weights));
    this.steps = new GroupSteps(op, opened.watch, weights, prepared, this.groups);
  }

  /** Reads what a part needs and is not there, as the file has it. */
  async read(part: number): Promise<void> {
    const { plan } = this.opened;
    const wanted = this.stats.segments[part]!.graph.weights;
    for (const need of plan.needs) if (wanted.has(need.weight)) await this.bring(need);
  }

  private async bring(need: Need): Promise<void> {
    const { watch, plan } = this.opened;
    if (this.weights.has(need.weight)) return;
    throwIfAborted(this.op, watch.signal);
    await this.weights.read(need, !this.consumed.has(need.weight));
    this.seen.add(need.weight);
    const [done, total] = [this.seen.size, plan.needs.length];
    watch.onProgress?.({ stage: 'load', done, total, name: need.from.key });
  }

  /** Runs the batches through a part. */
  async observe(part: number): Promise<void> {
    const { signal, onProgress } = this.opened.watch;
    const { segments } = this.stats;
    const count = this.calibration.batches.length;
    const [own] = [...segments[part]!.graph.weights.keys()].filter((name) => this.needs.has(name));
    const before = part * count;
    throwIfAborted(this.op, signal);
    const sites = await this.stats.observe(
      part,
      (name) => this.tensorOf(name),
      (done) => {
        const total = segments.length * count;
        onProgress?.({ stage: 'calibrate', done: before + done, total, name: own ?? '' });
        throwIfAborted(this.op, signal);
      },
    );
    for (const [key, site] of sites) this.calibration.sites.set(key, site);
  }

  /** Quantizes the linears for which all is there now, and lets go of what they needed. */
  async quantize(part: number): Promise<void> {
    for (; this.groups[this.next] !== undefined; this.next++) {
      const group = this.groups[this.next]!;
      if (group.part > part) return;
      // what runs need not be what is quantized, where a pass put another weight in its place
      for (const name of group.weights) await this.bring(this.needs.get(name)!);
      await this.steps.quantize(group);
      this.dropScatters();
    }
  }

  finish(): RewrittenGraph {
    return this.steps.finish();
  }

  stop(): void {
    this.steps.stop();
  }

  /** Of sites whose linears are done; what the report says of them is made. */
  private dropScatters(): void {
    const open = this.groups.slice(this.next + 1).flatMap(({ tasks }) => tasks);
    const wanted = new Set(open.map(({ placed }) => placed.key));
    const { sites } = this.calibration;
    for (const [key, site] of sites) {
      if (!wanted.has(key)) sites.set(key, { ...site, scatter: null, kept: [] });
    }
  }

  private tensorOf(name: string): Tensor {
    const made = this.stats.made(name) ?? this.prepared.builder.tensors.get(name);
    // the memory is shared: what runs a part disposes of its own
    return made === undefined ? this.weights.lend(name) : reshape(made, made.shape);
  }
}

/** The groups in the order in which they are complete. */
function inOrderOfParts({ groups }: PreparedRewrite, { segments, partOf }: BlockStats): Group[] {
  const readIn = new Map<string, number>();
  segments.forEach(({ graph }, part) => {
    for (const name of graph.weights.keys()) if (!readIn.has(name)) readIn.set(name, part);
  });
  return groups
    .map((tasks) => {
      const group = groupOf(tasks);
      const parts = group.weights.map((name) => readIn.get(name) ?? 0);
      const seen = tasks.map(({ placed }) => partOf.get(placed.key) ?? 0);
      return { ...group, part: Math.max(...parts, ...seen) };
    })
    .sort((a, b) => a.part - b.part);
}
