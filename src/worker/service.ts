import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import { dispose, findBackendFactory, io, setBackend, tensor } from '@tensorflow/tfjs-core';
import { fetchValues } from '../../ops/common/alive.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { calibrate } from '../calibrate/calibrate.js';
import { CalibrationStats } from '../calibrate/stats.js';
import { calibrateOnTrajectories } from '../diffusion/calibration.js';
import { sample } from '../diffusion/sampler.js';
import type { Batch } from '../feed/batch.js';
import { quantizeCheckpoint } from '../load/quantizeCheckpoint.js';
import { quantize } from '../rewrite/quantize.js';
import { opfs } from '../save/opfs.js';
import { quantizedFiles, saveQuantized } from '../save/saveQuantized.js';
import type { Exposed, Methods, PlainBatch, PlainTensor, Which } from './protocol.js';

const OP = 'worker';

/** What a worker does with one model: each method goes on with what those before it left. */
export class Service implements Exposed {
  private readonly aborts = new Map<number, AbortController>();
  private original: GraphModel | null = null;
  private quantized: GraphModel | null = null;
  private gathered: CalibrationStats | null = null;

  async call(...[id, method, args, onProgress]: Parameters<Exposed['call']>): Promise<unknown> {
    const abort = new AbortController();
    this.aborts.set(id, abort);
    const watch: WatchOptions = {
      signal: abort.signal,
      // what the page's callback throws ends the call
      onProgress: (progress) =>
        void Promise.resolve(onProgress?.(progress)).catch((reason) => abort.abort(reason)),
    };
    try {
      const methods = this.methods(watch);
      if (!Object.hasOwn(methods, method)) {
        const wanted = Object.keys(methods).join(', ');
        throw new InvalidArgumentError(OP, 'method', wanted, describe(method));
      }
      return await Reflect.apply(methods[method], methods, [...args]);
    } finally {
      this.aborts.delete(id);
    }
  }

  async abort(id: number): Promise<void> {
    this.aborts.get(id)?.abort();
  }

  private methods(watch: WatchOptions): Methods {
    return {
      setBackend: async (name) => {
        if (findBackendFactory(name) !== null && (await setBackend(name))) return;
        const wayOut = 'Import it in the setup of serve; the console may say more.';
        throw new HadaNormError(OP, `the backend ${describe(name)} does not start. ${wayOut}`);
      },
      load: async (source) => {
        const model = await loadGraphModel(typeof source === 'string' ? source : filesOf(source));
        this.forget();
        this.original = model;
        return model.inputs.map(({ name, shape, dtype }) => ({ name, shape: shape ?? [], dtype }));
      },
      calibrate: async (batches, options) => {
        const settings = { ...options, ...watch, disposeBatches: true };
        this.gathered = await calibrate(this.model('original'), tensorsOf(batches), settings);
      },
      calibrateOnTrajectories: async (options) => {
        const settings = { ...options, ...watch };
        this.gathered = await calibrateOnTrajectories(this.model('original'), settings);
      },
      stats: async () => this.statistics().serialize(),
      useStats: async (bytes) => {
        this.gathered = CalibrationStats.deserialize(bytes);
      },
      quantize: async (options) => {
        const given = { ...options, ...watch };
        const result = await quantize(this.model('original'), this.statistics(), given);
        this.quantized?.dispose();
        this.quantized = result.model;
        return { report: result.report, recipe: result.recipe };
      },
      quantizeCheckpoint: async (source, { batches, ...options } = {}) => {
        const calibration = batches && {
          batches: tensorsOf(batches),
          calibrate: { ...options.calibrate, disposeBatches: true },
        };
        const result = await quantizeCheckpoint(source, { ...options, ...calibration, ...watch });
        this.forget();
        this.quantized = result.model;
        return { report: result.report, recipe: null };
      },
      sample: async (options, which = 'quantized') => {
        const samples = await sample(this.model(which), { ...options, ...watch });
        try {
          const values = (await fetchValues(OP, samples)) as Float32Array;
          return { shape: samples.shape, dtype: 'float32', values };
        } finally {
          samples.dispose();
        }
      },
      files: () => quantizedFiles(this.model('quantized')),
      save: async (folder) => {
        await saveQuantized(this.model('quantized'), opfs(folder, watch));
      },
    };
  }

  private model(which: Which): GraphModel {
    const model = which === 'original' ? this.original : this.quantized;
    if (model !== null) return model;
    const wayOut = which === 'original' ? 'Call load(url) first.' : 'Call quantize() first.';
    throw new HadaNormError(OP, `there is no ${which} model. ${wayOut}`);
  }

  private statistics(): CalibrationStats {
    if (this.gathered !== null) return this.gathered;
    const wayOut = 'Call calibrate, calibrateOnTrajectories or useStats first.';
    throw new HadaNormError(OP, `there are no statistics. ${wayOut}`);
  }

  /** What belongs to the model that was loaded before. */
  private forget(): void {
    this.original?.dispose();
    this.quantized?.dispose();
    this.original = null;
    this.quantized = null;
    this.gathered = null;
  }
}

/** One batch of tensors after the other, for `calibrate` to dispose of. */
function* tensorsOf(batches: readonly PlainBatch[]): Generator<Batch> {
  for (const batch of batches) {
    const made: Record<string, ReturnType<typeof tensor>> = {};
    try {
      for (const [name, { values, shape, dtype }] of Object.entries(batch)) {
        made[name] = tensor(values, [...shape], dtype);
      }
    } catch (error) {
      dispose(made);
      throw error;
    }
    yield made;
  }
}

/** The files of a model as tfjs loads them. */
function filesOf(files: ReadonlyMap<string, Uint8Array>): io.IOHandler {
  const read = (path: string) => {
    const bytes = files.get(path);
    if (bytes !== undefined) return bytes;
    throw new InvalidArgumentError(OP, 'files', `a Map with ${path}`, describe([...files.keys()]));
  };
  return {
    load: async () => {
      const json: io.ModelJSON = JSON.parse(new TextDecoder().decode(read('model.json')));
      return io.getModelArtifactsForJSON(json, async (manifest) => {
        const shards = manifest.flatMap(({ paths }) => paths.map(read));
        const data = new Uint8Array(shards.reduce((sum, { length }) => sum + length, 0));
        let at = 0;
        for (const shard of shards) {
          data.set(shard, at);
          at += shard.length;
        }
        return [manifest.flatMap(({ weights }) => weights), data.buffer];
      });
    },
  };
}

/** What of a result moves to the page and is not copied. */
export function transferred(result: unknown): ArrayBuffer[] {
  const arrays =
    result instanceof Map
      ? [...result.values()]
      : [result, (result as PlainTensor | undefined)?.values];
  return arrays
    .filter((array) => ArrayBuffer.isView(array))
    .map(({ buffer }) => buffer)
    .filter((buffer) => buffer instanceof ArrayBuffer);
}
