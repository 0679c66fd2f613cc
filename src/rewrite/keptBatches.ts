import type { GraphModel } from '@tensorflow/tfjs-converter';
import { clone, dispose, keep, type NamedTensorMap } from '@tensorflow/tfjs-core';
import { bringToHost } from '../../ops/common/alive.js';
import { throwIfAborted } from '../../ops/common/callers.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { BatchOrigins } from '../calibrate/batchSamples.js';
import { InputHashes } from '../calibrate/inputHash.js';
import type { CalibrateSettings } from '../calibrate/settings.js';
import { timestepsOf } from '../calibrate/timesteps.js';
import { type Batch, checkBatch, countOf, tensorsIn } from '../feed/batch.js';
import { checkInputs, inputsByNode, tensorsByNode } from '../feed/batchInputs.js';
import type { Graph } from '../graph/ir.js';

/** Batches that are gone through again and again. */
export class KeptBatches {
  /** By the names of the nodes that they are for. */
  readonly inputs: NamedTensorMap[] = [];
  readonly origins: BatchOrigins[] = [];
  private readonly times = new Set<number>();

  constructor(
    private readonly op: string,
    private readonly model: GraphModel,
    private readonly graph: Graph,
    private readonly settings: CalibrateSettings,
  ) {}

  /** Takes all batches, each as long as the caller has it. */
  async takeAll(
    batches: Iterable<Batch> | AsyncIterable<Batch>,
    disposeBatches: boolean,
    { signal, onProgress }: WatchOptions,
  ): Promise<void> {
    const { op } = this;
    const total = countOf(batches);
    throwIfAborted(op, signal);
    for await (const batch of batches) {
      checkBatch(op, batch, `batches[${this.inputs.length}]`);
      try {
        await this.take(batch);
      } finally {
        if (disposeBatches) dispose(batch);
      }
      onProgress?.({ stage: 'calibrate', done: this.inputs.length, total, name: 'inputs' });
      await new Promise((resolve) => setTimeout(resolve, 0));
      throwIfAborted(op, signal);
    }
    if (this.inputs.length > 0) return;
    const wayOut = 'An iterable that was used up gives none: pass new batches.';
    throw new InvalidArgumentError(op, 'batches', 'one batch at least', 'none', wayOut);
  }

  /** Bytes of all, and how many samples they are. */
  get size(): { readonly bytes: number; readonly samples: number } {
    const tensors = this.inputs.flatMap((batch) => Object.values(batch));
    const samples = this.inputs.map((batch) =>
      Math.max(1, ...Object.values(batch).map(({ shape }) => shape[0] ?? 1)),
    );
    return {
      bytes: tensors.reduce((sum, { size }) => sum + 4 * size, 0),
      samples: samples.reduce((sum, count) => sum + count, 0),
    };
  }

  dispose(): void {
    dispose(this.inputs.flatMap((batch) => Object.values(batch)));
  }

  private async take(batch: Batch): Promise<void> {
    const { op, model, graph } = this;
    const at = `batches[${this.inputs.length}]`;
    checkInputs(op, { model, graph, outputs: graph.outputs }, batch, at);
    await bringToHost(op, tensorsIn(batch));
    const times = timestepsOf(model, batch, this.settings, this.times);
    for (const time of times) this.times.add(time);
    this.origins.push({ hashes: new InputHashes(inputsByNode(op, model, batch)), times });
    const byNode = [...tensorsByNode(op, at, model, batch)];
    this.inputs.push(
      Object.fromEntries(byNode.map(([name, tensor]) => [name, keep(clone(tensor))])),
    );
  }
}
