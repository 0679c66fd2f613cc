/** Runs in the page: a checkpoint of its Files to a packed model in its own file system. */

import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { loadQuantized, saveQuantized } from '../../src/index.js';
import { opfs } from '../../src/load.js';
import { type FullSizeWork, quantizeFullSize, stepOf, toldOf } from './fullSizeWork.js';

declare global {
  // what fullSizeBrowser.ts exposes to the page
  function fullSizeLog(line: string, done: boolean): Promise<void>;
  // what it calls
  var runFullSize: (work: FullSizeWork) => Promise<void>;
}

setWasmPaths('/wasm/');
document.body.innerHTML = '<input type="file" multiple>';

globalThis.runFullSize = async (work) => {
  await tf.setBackend('wasm');
  const input = document.querySelector('input')!;
  const stages = new Map<string, number>();
  const made = await timed('quantized', () =>
    quantizeFullSize([...input.files!], work, ({ stage, done, total, name }, ms) => {
      stages.set(stage, (stages.get(stage) ?? 0) + ms);
      void fullSizeLog(`${stage} ${done} of ${total}: ${name}`, false);
    }),
  );
  for (const line of toldOf(made, stages)) await fullSizeLog(line, true);
  await timed('saved', () => saveQuantized(made.model, opfs('full-size')));
  made.model.dispose();
  const packed = await timed('loaded', () => loadQuantized(opfs('full-size')));
  await timed('one step', () => stepOf(packed, work.model));
  packed.dispose();
};

async function timed<T>(what: string, run: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await run();
  await fullSizeLog(`${what}: ${((performance.now() - start) / 1e3).toFixed(1)} s`, true);
  return result;
}
