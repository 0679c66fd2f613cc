import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, keep, type NamedTensorMap, type Tensor } from '@tensorflow/tfjs-core';
import { throughout } from '../../ops/common/alive.js';
import { HadaNormError } from '../../ops/numerics/errors.js';
import type { Batch } from '../feed/batch.js';
import { tensorsByNode } from '../feed/batchInputs.js';
import { canonical, nodeOf } from '../graph/ir.js';
import { modelFromTensors } from '../graph/model.js';
import type { Segment } from '../graph/segments.js';

/**
 * A model's batches on their way through its parts: what each part gives is kept for those behind
 * it, and let go once no other reads it.
 */
export class BlockRun {
  /** By batch: tensors between parts. */
  private readonly between: Map<string, Tensor>[];
  private readonly fed: ReadonlyMap<string, Tensor>[];

  /** @param face The whole model, for the names of its inputs. */
  constructor(
    private readonly op: string,
    face: GraphModel,
    batches: readonly Batch[],
  ) {
    this.between = batches.map(() => new Map());
    this.fed = batches.map((batch) => tensorsByNode(op, 'batch', face, batch));
  }

  /**
   * Runs a part on each batch.
   * @param tensorOf Gives a weight as a tensor of its own.
   * @param around Is called for each batch with what runs it.
   */
  async through(
    { graph, given, gives }: Segment,
    tensorOf: (weight: string) => Tensor,
    around: (batch: number, run: () => void) => Promise<void>,
  ): Promise<void> {
    const weights: Record<string, Tensor> = {};
    try {
      for (const name of graph.weights.keys()) weights[name] = keep(tensorOf(name));
      const part = modelFromTensors(graph, weights);
      for (const [i, between] of this.between.entries()) {
        await around(i, () => {
          const inputs = this.inputsOf(graph.inputs, given, i);
          const made = accepted(this.op, i, () => part.execute(inputs, [...gives]));
          for (const [at, tensor] of [made].flat().entries()) {
            between.set(canonical(gives[at]!), keep(tensor));
          }
        });
      }
      await throughout(this.op, Object.values(weights), () => undefined);
    } finally {
      dispose(Object.values(weights));
    }
  }

  /** Lets go of what no part from here on reads. */
  keepOnly(segments: readonly Segment[]): void {
    const wanted = new Set(segments.flatMap(({ given }) => [...given.keys()]));
    for (const between of this.between) {
      for (const [ref, tensor] of between) {
        if (wanted.has(ref)) continue;
        tensor.dispose();
        between.delete(ref);
      }
    }
  }

  dispose(): void {
    this.keepOnly([]);
  }

  private inputsOf(
    names: readonly string[],
    given: ReadonlyMap<string, string>,
    batch: number,
  ): NamedTensorMap {
    const refs = new Map([...given].map(([ref, name]) => [name, ref]));
    return Object.fromEntries(
      names.map((name) => {
        const ref = refs.get(name);
        const tensor =
          ref === undefined ? this.fed[batch]!.get(nodeOf(name)) : this.between[batch]!.get(ref);
        return [name, tensor!];
      }),
    );
  }
}

/** @throws HadaNormError for inputs that the model's own ops refuse, as a class that it lacks. */
function accepted<T>(op: string, batch: number, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof HadaNormError || !(cause instanceof Error)) throw cause;
    const problem = `the model refuses batches[${batch}]: ${cause.message}. Look at its values.`;
    throw Object.assign(new HadaNormError(op, problem), { cause });
  }
}
