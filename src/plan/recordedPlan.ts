import type { Tensor } from '@tensorflow/tfjs-core';
import { checkBackends } from '../../ops/common/alive.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { encoderOf, submit, type WebgpuBackend } from '../../ops/webgpu/backend.js';
import type { Recording } from '../../ops/webgpu/recording.js';
import { type Batch, checkBatch, tensorsIn } from '../feed/batch.js';
import type { Feeds } from './feeds.js';
import { delivered, type Output } from './outputs.js';

const OP = 'plan.run';

/** A model recorded for inputs of certain shapes: see `plan`. */
export class RecordedPlan {
  private disposed = false;

  /** @param byNode Inputs by the names of the nodes that they are for. */
  constructor(
    private readonly backend: WebgpuBackend,
    private readonly recording: Recording,
    private readonly feeds: Feeds,
    private readonly outputs: readonly Output[],
    private readonly isOne: boolean,
    private readonly byNode: (inputs: Batch) => ReadonlyMap<string, Tensor>,
  ) {}

  /** How many programs a run takes. */
  get programs(): number {
    return this.recording.commands.filter(({ kind }) => kind === 'run').length;
  }

  /** Bytes of GPU memory that are there for the plan alone. */
  get bytes(): number {
    return this.recording.bytes;
  }

  /**
   * Runs the model on inputs of the plan's shapes and dtypes.
   * @returns What `model.execute` gives, a tensor or some; the caller's.
   * @throws InvalidArgumentError for other inputs, and once the plan is disposed of;
   * WebgpuDeviceLostError.
   */
  run(inputs: Batch): Tensor | Tensor[] {
    if (this.disposed) {
      const wayOut = 'Make another with plan(model, inputs).';
      throw new InvalidArgumentError(OP, 'the plan', 'one in use', 'a disposed one', wayOut);
    }
    checkBatch(OP, inputs, 'inputs');
    // the plan's own backend too, should another be the current one
    checkBackends(OP, [...tensorsIn(inputs), ...this.feeds.all()]);
    this.feeds.fill(OP, this.byNode(inputs));
    const { backend } = this;
    this.recording.play(encoderOf(backend));
    const results = this.outputs.map((output) => delivered(backend, output));
    submit(backend);
    return this.isOne ? results[0]! : results;
  }

  /** Gives the GPU's memory back; a second call does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.feeds.dispose();
    this.recording.dispose();
  }
}
