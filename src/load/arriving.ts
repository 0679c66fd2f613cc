import { keep, reshape, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { valuesOf } from '../../ops/common/alive.js';
import type { Graph } from '../graph/ir.js';
import type { Weight } from '../graph/weights.js';
import type { Need } from './net/net.js';
import type { Opened } from './opening.js';

/** A weight that is none of the checkpoint's as a tensor, kept. */
export function constantTensor({ weights }: Graph, name: string): Tensor {
  const { spec, values } = weights.get(name)!;
  const [numbers, dtype] = [values() as Float32Array, spec.dtype as 'float32' | 'int32'];
  return keep(tensor(numbers, spec.shape, dtype));
}

/** What has come of a checkpoint, and is not packed yet. */
export class Arriving {
  readonly graph: Graph;
  private readonly values = new Map<string, Float32Array>();
  /** What the model keeps as it is. */
  private readonly kept = new Map<string, Tensor>();
  private readonly needs: ReadonlyMap<string, Need>;

  constructor(
    private readonly opened: Opened,
    private readonly op: string,
  ) {
    const { graph, needs } = opened.plan;
    this.needs = new Map(needs.map((need) => [need.weight, need]));
    const own = [...graph.weights].map(([name, weight]): [string, Weight] => {
      return [name, this.needs.has(name) ? this.asItComes(weight) : weight];
    });
    this.graph = { ...graph, weights: new Map(own) };
  }

  /** Reads a weight, for linears or for the model itself. */
  async read({ weight, from, shape, make }: Need, keeps: boolean): Promise<void> {
    const values = make(await this.opened.checkpoint.read(from.key));
    if (keeps) this.kept.set(weight, keep(tensor(values, [...shape], 'float32')));
    else this.values.set(weight, values);
  }

  /** Whether a weight was read, and not let go. */
  has(name: string): boolean {
    return this.values.has(name) || this.kept.has(name);
  }

  /** A weight as a tensor of the caller's; it stays here too. */
  lend(name: string): Tensor {
    const kept = this.kept.get(name);
    // reshape shares the memory on every backend, where clone may copy
    if (kept !== undefined) return reshape(kept, kept.shape);
    const { spec, values } = this.graph.weights.get(name)!;
    return tensor(values() as Float32Array, spec.shape, spec.dtype as 'float32' | 'int32');
  }

  drop(names: Iterable<string>): void {
    for (const name of names) this.values.delete(name);
  }

  /** A tensor of the model; one that was let go and is needed all the same is read again. */
  async take(name: string): Promise<Tensor> {
    const need = this.needs.get(name);
    if (need === undefined) return constantTensor(this.graph, name);
    if (!this.kept.has(name)) await this.read(need, true);
    const taken = this.kept.get(name)!;
    this.kept.delete(name);
    return taken;
  }

  dispose(): void {
    for (const made of this.kept.values()) made.dispose();
    this.kept.clear();
  }

  private asItComes(weight: Weight): Weight {
    const { name } = weight.spec;
    const read = () => {
      const kept = this.kept.get(name);
      if (kept !== undefined) return valuesOf(this.op, kept) as Float32Array;
      return this.values.get(name) ?? weight.values();
    };
    return { spec: weight.spec, values: read, bytes: weight.bytes };
  }
}
