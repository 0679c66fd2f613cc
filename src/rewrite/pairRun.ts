import type { GraphModel } from '@tensorflow/tfjs-converter';
import { reshape, type Tensor } from '@tensorflow/tfjs-core';
import { throughout } from '../../ops/common/alive.js';
import type { PairCollector } from '../calibrate/pairCollector.js';
import type { Target } from '../calibrate/settings.js';
import type { Tapped } from '../calibrate/tap.js';
import { masksOf } from '../calibrate/targets.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Ref } from '../graph/ir.js';
import { modelFromGraph, weightTensors } from '../graph/model.js';
import { runnableNodes } from '../passes/runnable.js';
import { withMasks } from '../recognize/emitMask.js';
import type { KeptBatches } from './keptBatches.js';
import { PartialRun, type Runnable, tensorAt } from './partialRun.js';
import { siteRefs } from './sequentialMemory.js';
import type { PreparedRewrite } from './steps.js';

/** What a pair of runs is made of. */
export interface PairInput {
  readonly op: string;
  readonly model: GraphModel;
  readonly batches: KeptBatches;
}

/** A level of sites, and those that are wanted from it on. */
export interface PairPart {
  readonly targets: readonly Target[];
  readonly later: readonly Target[];
}

/**
 * The runs of a model and of what it is when it is quantized up to somewhere, on the same batches
 * and part by part.
 */
export class PairRun {
  private readonly original: Runnable;
  private readonly before: PartialRun;
  private readonly now: PartialRun;
  /** Which tokens count, by the sites' keys: nodes of the original. */
  private masks: ReadonlyMap<string, Ref> = new Map();

  constructor(
    private readonly input: PairInput,
    private readonly prepared: PreparedRewrite,
    targets: readonly Target[],
  ) {
    const { batches } = input;
    this.original = this.runnable(prepared.normal, (graph, builder) => {
      const masked = withMasks(graph, builder, masksOf(targets));
      this.masks = masked.refs;
      return masked.graph;
    });
    this.before = new PartialRun(batches.inputs);
    this.now = new PartialRun(batches.inputs);
  }

  /** The original as it runs. */
  get graph(): Graph {
    return this.original.graph;
  }

  maskOf(key: string): Ref[] {
    const mask = this.masks.get(key);
    return mask === undefined ? [] : [mask];
  }

  /**
   * Shows a collector the sites of a level, of all batches.
   * @param soFar The model in normal form, quantized up to there.
   */
  async gather(
    { targets, later }: PairPart,
    soFar: Graph,
    collector: PairCollector,
    onBatch: (batch: number) => Promise<void>,
  ): Promise<void> {
    const refsOf = (some: readonly Target[]) => some.flatMap(({ site }) => siteRefs(site));
    const masks = targets.flatMap(({ key }) => this.maskOf(key));
    const laterMasks = later.flatMap(({ key }) => this.maskOf(key));
    const [wanted, again] = [refsOf(targets), refsOf(later)];
    const quantized = this.runnable(soFar);
    try {
      this.before.next(this.graph, [...wanted, ...masks], [...again, ...laterMasks]);
      this.now.next(quantized.graph, wanted, again);
      for (const batch of this.input.batches.inputs.keys()) {
        await this.observe(batch, targets, collector, quantized);
        await onBatch(batch);
      }
    } finally {
      quantized.model.dispose();
    }
  }

  dispose(): void {
    this.original.model.dispose();
    this.before.dispose();
    this.now.dispose();
  }

  private async observe(
    batch: number,
    targets: readonly Target[],
    collector: PairCollector,
    quantized: Runnable,
  ): Promise<void> {
    const { op, batches } = this.input;
    const weights = [this.original, quantized].flatMap(({ model }) => weightTensors(model));
    const runBoth = (use: (original: Tensors, tensors: Tensors) => Promise<void>) =>
      this.before.run(this.original, batch, (original) =>
        this.now.run(quantized, batch, (tensors) => use(original, tensors)),
      );
    await throughout(op, weights, () =>
      runBoth(async (original, tensors) => {
        for (const [i, target] of targets.entries()) {
          const [ref] = this.maskOf(target.key);
          const mask = ref === undefined ? null : tensorAt(original, ref);
          const [here, there] = [tensors, original].map((of) => shown(of, target, mask));
          await collector.add(i, batches.origins[batch]!, here!, there!);
        }
      }),
    );
  }

  /** A model of a graph, which shares all weights. */
  private runnable(
    graph: Graph,
    more: (graph: Graph, builder: GraphBuilder) => Graph = (as) => as,
  ): Runnable {
    const { op, model } = this.input;
    const builder = new GraphBuilder(graph);
    try {
      const runs = runnableNodes(op, more(graph, builder), builder);
      const shared = [...this.prepared.builder.tensors].filter(([name]) => runs.weights.has(name));
      const own = new Map([
        ...shared.map(([name, tensor]) => [name, reshape(tensor, tensor.shape)] as const),
        ...builder.tensors,
      ]);
      return { graph: runs, model: modelFromGraph(runs, model, own) };
    } catch (error) {
      builder.dispose();
      throw error;
    }
  }
}

type Tensors = ReadonlyMap<Ref, Tensor>;

function shown(tensors: Tensors, { site }: Target, mask: Tensor | null): Tapped {
  const like = site.like === null ? null : tensorAt(tensors, site.like);
  return { x: tensorAt(tensors, site.source), like, mask };
}
