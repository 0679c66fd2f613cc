import type { GraphModel } from '@tensorflow/tfjs-converter';
import { clone, keep, type NamedTensorMap, type Tensor } from '@tensorflow/tfjs-core';
import { canonical, type Graph, type Ref } from '../graph/ir.js';
import { weightTensors } from '../graph/model.js';
import { Frontier, type Part } from './frontier.js';

/** A model, and the graph that it runs. */
export interface Runnable {
  readonly model: GraphModel;
  readonly graph: Graph;
}

/**
 * A model's run on batches, a part at a time: what one part computed and others need stays on the
 * device, so that all parts together run the model once.
 */
export class PartialRun {
  private readonly frontier: Frontier;
  /** Of each batch, what its parts so far have left. */
  private readonly left: Map<Ref, Tensor>[];
  private part: Part | null = null;

  /** @param inputs Each batch by the nodes that it is for; it stays the caller's. */
  constructor(private readonly inputs: readonly NamedTensorMap[]) {
    this.frontier = new Frontier(Object.keys(inputs[0] ?? {}));
    this.left = inputs.map(() => new Map());
  }

  /** Goes on to the next part: `wanted` of it, and what is `later` wanted again. */
  next(graph: Graph, wanted: readonly Ref[], later: readonly Ref[]): void {
    this.part = this.frontier.advance(graph, wanted, later);
  }

  /**
   * Runs the part on a batch. `use` is given what was wanted, by canonical names, which lives until
   * it is done.
   */
  async run(
    { model }: Runnable,
    batch: number,
    use: (tensors: ReadonlyMap<Ref, Tensor>) => Promise<void>,
  ): Promise<void> {
    const { fed, fetched, kept } = this.part!;
    const before = this.left[batch]!;
    const there = new Map([...Object.entries(this.inputs[batch]!), ...before]);
    const feed = Object.fromEntries(fed.map((ref) => [ref, there.get(ref)!]));
    const all = new Map(there);
    const made = fetched.length === 0 ? [] : results(model, feed, fetched);
    made.forEach((tensor, i) => {
      all.set(fetched[i]!, tensor);
    });
    const after = new Map<Ref, Tensor>(kept.map((ref) => [ref, all.get(ref)!]));
    const stays = new Set(after.values());
    try {
      await use(all);
    } finally {
      this.left[batch] = after;
      for (const tensor of [...made, ...before.values()]) if (!stays.has(tensor)) tensor.dispose();
    }
  }

  dispose(): void {
    for (const left of this.left) {
      for (const tensor of left.values()) tensor.dispose();
      left.clear();
    }
  }
}

/** What a model gives, each a tensor of its own: it may be one that was given, or a weight. */
function results(model: GraphModel, feed: NamedTensorMap, refs: readonly Ref[]): Tensor[] {
  const given = [model.execute(feed, [...refs])].flat() as Tensor[];
  const others = new Set([...Object.values(feed), ...weightTensors(model)]);
  return given.map((tensor) => keep(others.has(tensor) ? clone(tensor) : tensor));
}

/** A tensor that `run` gave. */
export function tensorAt(tensors: ReadonlyMap<Ref, Tensor>, ref: Ref): Tensor {
  return tensors.get(canonical(ref))!;
}
