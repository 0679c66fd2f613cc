import type { GraphModel } from '@tensorflow/tfjs-converter';
import { engine, type Tensor } from '@tensorflow/tfjs-core';
import { NotRecordableError } from '../../ops/numerics/errors.js';
import { type Recorder, recorderReady } from '../plan/planned.js';
import type { RecordedPlan } from '../plan/recordedPlan.js';
import { isPlanned } from '../plan/unplanned.js';
import type { DitInputs, VelocityModel } from './model.js';

/** From so many runs on recording pays: it takes about as long as a run, and saves most of one. */
const WORTH_RECORDING = 3;

/**
 * Runs a model on inputs of the same shapes again and again. On WebGPU its second run is recorded,
 * and those after it are run from the record, which gives the same numbers in less time; models of
 * this package do so by themselves.
 */
export class StepRunner {
  private done = 0;
  private plan: RecordedPlan | null = null;

  private constructor(
    private readonly model: VelocityModel,
    private readonly recorder: Recorder | null,
  ) {}

  /**
   * Waits for the kernels of WebGPU, where that is the backend.
   * @param runs How many there will be.
   */
  static async make(model: VelocityModel, runs: number): Promise<StepRunner> {
    if (engine().backendName !== 'webgpu') return new StepRunner(model, null);
    const recorder = await recorderReady();
    const worth = runs >= WORTH_RECORDING && isGraphModel(model) && !isPlanned(model);
    return new StepRunner(model, worth ? recorder : null);
  }

  /** What `model.predict` gives. */
  run(inputs: DitInputs): Tensor {
    // the first compiles, and puts the weights where a record finds them
    if (this.done++ === 1 && this.recorder !== null) this.tryToRecord(this.recorder, inputs);
    return (this.plan?.run(inputs) ?? this.model.predict(inputs)) as Tensor;
  }

  dispose(): void {
    this.plan?.dispose();
    this.plan = null;
  }

  private tryToRecord({ plannable, recordPlan }: Recorder, inputs: DitInputs): void {
    // the backend may be another by now
    if (!isGraphModel(this.model) || engine().backendName !== 'webgpu') return;
    try {
      this.plan = recordPlan(plannable(this.model, inputs), this.model, inputs);
    } catch (error) {
      // it runs as it is then
      if (!(error instanceof NotRecordableError)) throw error;
    }
  }
}

/** Whether all that a model does is known: it may be anything that has `predict`. */
function isGraphModel(model: object): model is VelocityModel & GraphModel {
  return 'execute' in model && 'modelSignature' in model && 'executor' in model;
}
