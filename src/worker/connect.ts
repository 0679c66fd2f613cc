import { proxy, type Remote, releaseProxy, wrap } from 'comlink';
import { throwIfAborted } from '../../ops/common/callers.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import * as errors from '../../ops/numerics/errors.js';
import type { CalibrateOptions } from '../calibrate/settings.js';
import type { TrajectoryCalibrationOptions } from '../diffusion/calibration.js';
import type { SampleOptions } from '../diffusion/options.js';
import type { QuantizeOptions } from '../rewrite/quantize.js';
import type {
  Exposed,
  Methods,
  ModelInput,
  PageCheckpoint,
  PlainBatch,
  PlainCheckpointOptions,
  PlainTensor,
  Quantized,
  Unwatched,
  Which,
} from './protocol.js';

/**
 * One model in a worker. Calls are as those of the functions of their names, with `signal` and
 * `onProgress` among the options; models and statistics stay in the worker.
 */
export class ModelWorker {
  private readonly remote: Remote<Exposed>;
  /** Rejects where the script does not run; settles no more once it has answered. */
  private readonly broken: Promise<never>;
  private calls = 0;

  constructor(private readonly worker: Worker) {
    this.broken = brokenBeforeItAnswers(worker);
    this.remote = wrap<Exposed>(worker);
  }

  /** @throws HadaNormError for a backend that does not start. */
  setBackend(name: string): Promise<void> {
    return this.call({}, 'setBackend', name);
  }

  /**
   * Loads a graph model in the place of the former one.
   * @param source A URL of model.json, from the worker's script where it is relative; or the files
   * by their names, as `files` gives them.
   */
  load(source: string | ReadonlyMap<string, Uint8Array>): Promise<readonly ModelInput[]> {
    return this.call({}, 'load', source);
  }

  /** Gathers statistics of the model for `quantize`. */
  calibrate(
    batches: readonly PlainBatch[],
    options: Unwatched<CalibrateOptions> & WatchOptions = {},
  ): Promise<void> {
    const { signal, onProgress, ...rest } = options;
    return this.call(options, 'calibrate', batches, rest);
  }

  /** The same of a DiT, on samples from noise to data. */
  calibrateOnTrajectories(
    options: Unwatched<TrajectoryCalibrationOptions> & WatchOptions = {},
  ): Promise<void> {
    const { signal, onProgress, ...rest } = options;
    return this.call(options, 'calibrateOnTrajectories', rest);
  }

  /** The statistics, as `CalibrationStats.serialize` gives them. */
  stats(): Promise<Uint8Array> {
    return this.call({}, 'stats');
  }

  /** Takes statistics of this model for `quantize`. */
  useStats(bytes: Uint8Array): Promise<void> {
    return this.call({}, 'useStats', bytes);
  }

  /** Quantizes the model, by the statistics that were gathered. */
  quantize(options: Unwatched<QuantizeOptions> & WatchOptions = {}): Promise<Quantized> {
    const { signal, onProgress, ...rest } = options;
    return this.call(options, 'quantize', rest);
  }

  /**
   * Loads a published checkpoint and quantizes it while it comes, calibrated on `batches` where
   * there are; in the place of the former models.
   * @param source Absolute URL, or the `File`s of an `<input>`, which are read as they are needed.
   */
  quantizeCheckpoint(
    source: PageCheckpoint,
    options: PlainCheckpointOptions & WatchOptions = {},
  ): Promise<Quantized> {
    const { signal, onProgress, ...rest } = options;
    return this.call(options, 'quantizeCheckpoint', source, rest);
  }

  /** Draws samples, float32 [labels, S, S, C], with the quantized model or the original. */
  sample(
    options: Unwatched<SampleOptions> & WatchOptions,
    which: Which = 'quantized',
  ): Promise<PlainTensor> {
    const { signal, onProgress, ...rest } = options;
    return this.call(options, 'sample', rest, which);
  }

  /** The files of the quantized model, as `quantizedFiles` gives them. */
  files(): Promise<ReadonlyMap<string, Uint8Array>> {
    return this.call({}, 'files');
  }

  /** Keeps the quantized model in the browser's own files: `opfs(folder)` loads it, in any page. */
  save(folder: string, options: WatchOptions = {}): Promise<void> {
    return this.call(options, 'save', folder);
  }

  /** Ends the worker; calls that are under way never settle. */
  close(): void {
    this.remote[releaseProxy]();
    this.worker.terminate();
  }

  private async call<Result>(
    { signal, onProgress }: WatchOptions,
    method: keyof Methods,
    ...args: unknown[]
  ): Promise<Result> {
    throwIfAborted(method, signal);
    const id = this.calls++;
    const abort = () => void this.remote.abort(id);
    signal?.addEventListener('abort', abort);
    const watcher = onProgress && proxy(onProgress);
    try {
      const answer = this.remote.call(id, method, args, watcher);
      return (await Promise.race([answer, this.broken])) as Result;
    } catch (error) {
      throw revived(error);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }
}

/** An error of a worker whose script has said nothing yet: it is not there, or does not run. */
function brokenBeforeItAnswers(worker: Worker): Promise<never> {
  const broken = new Promise<never>((_, reject) => {
    const failed = ({ message }: ErrorEvent) => {
      const said = message ? `: ${message}` : ', or is not there';
      const bundled =
        "new Worker(new URL('./modelWorker.js', import.meta.url), { type: 'module' })";
      const wayOut = `Bundlers bundle it where it is written in one piece, ${bundled}.`;
      reject(new errors.HadaNormError('worker', `its script does not run${said}. ${wayOut}`));
    };
    worker.addEventListener('error', failed);
    // an error later on does not end it
    const answered = () => worker.removeEventListener('error', failed);
    worker.addEventListener('message', answered, { once: true });
  });
  // whoever calls is told
  broken.catch(() => {});
  return broken;
}

/**
 * Connects to a worker in which `serve` of this entry point was called.
 *
 * @example
 * ```js
 * import { connect } from 'tfjs-hadanorm/worker';
 *
 * // in one piece, by which bundlers know that it is a script to be bundled
 * const worker = new Worker(new URL('./modelWorker.js', import.meta.url), { type: 'module' });
 * const model = connect(worker);
 * await model.setBackend('wasm');
 * await model.load(new URL('model/model.json', location.href).href);
 * await model.calibrateOnTrajectories({ onProgress: ({ done, total }) => show(done / total) });
 * const { report } = await model.quantize({ preset: 'W4A8' });
 * const { values, shape } = await model.sample({ labels: [0, 1, 2, 3] });
 * ```
 */
export function connect(worker: Worker): ModelWorker {
  return new ModelWorker(worker);
}

/** An error that came as its name and message, of its class again where that is the package's. */
function revived(error: unknown): unknown {
  // by the names of their instances: what was cancelled is called as browsers call it
  const types: Readonly<Record<string, unknown>> = { ...errors, AbortError: errors.AbortedError };
  const { name = '' } = error instanceof Error ? error : {};
  const type = Object.hasOwn(types, name) ? types[name] : undefined;
  if (typeof type !== 'function' || !(type.prototype instanceof Error)) return error;
  return Object.setPrototypeOf(error, type.prototype);
}
