/** Runs in the page: a checkpoint of its Files to a packed model in its own file system. */

import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { connect, type ModelWorker } from '../../src/worker.js';
import { fullSizeKept } from './fullSizeKept.js';
import { FULL_SIZE } from './fullSizeModels.js';
import { PageWatch } from './fullSizeWatch.js';
import { batchesOf, type FullSizeWork, toldOf } from './fullSizeWork.js';

declare global {
  // what fullSizeBrowser.ts exposes to the page
  function fullSizeLog(line: string, isResult: boolean): Promise<void>;
  // what it calls
  var runFullSize: (work: FullSizeWork) => Promise<void>;
}

/** Where it is kept in the page's files. */
const FOLDER = 'full-size';

/** Linears after which the first run is cancelled: amid a block. */
const LINEARS = 8;

setWasmPaths('/wasm/');
document.body.innerHTML = '<input type="file" multiple>';

globalThis.runFullSize = async (work) => {
  await tf.setBackend('wasm');
  const watch = new PageWatch(globalThis.fullSizeLog);
  const files = [...document.querySelector('input')!.files!];
  const worker = connect(new Worker('/worker.js', { type: 'module' }));
  await worker.setBackend('wasm');
  const { method } = work;
  const batches = method === 'hadanorm' ? await Promise.all(batchesOf(work).map(plain)) : null;
  const { sizes } = FULL_SIZE[work.model];
  const options = { ...sizes, method, ...(batches && { batches }) };
  const quantize: Quantize = (given) => worker.quantizeCheckpoint(files, { ...options, ...given });
  await watch.cancelled(
    'quantizing',
    ({ done, stage }) => {
      return stage === 'quantize' && done === LINEARS;
    },
    quantize,
  );
  const stages = new Map<string, number>();
  const { report } = await watch.timed('quantized', (onProgress) =>
    quantize({
      onProgress: (progress) => {
        const ms = onProgress(progress);
        stages.set(progress.stage, (stages.get(progress.stage) ?? 0) + ms);
      },
    }),
  );
  for (const line of toldOf({ report }, stages)) await globalThis.fullSizeLog(line, true);
  await watch.timed('saved', (onProgress) => worker.save(FOLDER, { onProgress }));
  worker.close();
  await fullSizeKept(FOLDER, watch, work.model);
};

type Quantize = (
  given: NonNullable<Parameters<ModelWorker['quantizeCheckpoint']>[1]>,
) => ReturnType<ModelWorker['quantizeCheckpoint']>;

/** A batch's numbers, for a worker. */
async function plain(batch: tf.NamedTensorMap) {
  const entries = Object.entries(batch).map(async ([name, tensor]) => {
    const values = await tensor.data<'float32'>();
    return [name, { shape: tensor.shape, dtype: tensor.dtype as 'float32', values }] as const;
  });
  const made = Object.fromEntries(await Promise.all(entries));
  tf.dispose(batch);
  return made;
}
