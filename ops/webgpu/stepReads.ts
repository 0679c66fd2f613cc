import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { UnsupportedDeviceError } from '../numerics/errors.js';

/** The parts of tfjs-backend-webgpu 4.22 that read in step. */
export interface StepReader {
  readonly tensorMap: { get(dataId: object): { values?: unknown } };
  makeTensorInfo(shape: number[], dtype: DataType, values: Int32Array): TensorInfo;
  uploadToGPU(dataId: object): void;
  readSync(dataId: object): unknown;
  disposeData(dataId: object): unknown;
}

/** Numbers of the question: bytes of all values, in all places. */
const COUNT = 1024;
const WAY_OUT =
  'Wait for values: tensor.data(), fuseGraphAsync, rewriteGraphAsync, calibrate; or use another ' +
  'backend.';

/**
 * Has a backend asked what is known, before what was computed on the GPU is read in step for the
 * first time. tfjs reads so by way of a canvas, of which some browsers give other bytes than were
 * drawn there: then it is an error, where it was wrong numbers.
 */
export function checkStepReads(backend: StepReader): void {
  const { readSync } = backend;
  let verdict: 'unknown' | 'right' | 'wrong' = 'unknown';
  backend.readSync = (dataId) => {
    if (backend.tensorMap.get(dataId).values != null) return readSync.call(backend, dataId);
    if (verdict === 'unknown') {
      const read = (one: object) => readSync.call(backend, one);
      verdict = answersRight(backend, read) ? 'right' : 'wrong';
    }
    if (verdict === 'right') return readSync.call(backend, dataId);
    const wanted = 'a GPU that this browser reads in step';
    throw new UnsupportedDeviceError('tensor.dataSync', wanted, 'one that it misreads', WAY_OUT);
  };
}

function answersRight(backend: StepReader, read: (dataId: object) => unknown): boolean {
  const values = Int32Array.from({ length: COUNT }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
  const { dataId } = backend.makeTensorInfo([COUNT], 'int32', values.slice());
  try {
    backend.uploadToGPU(dataId);
    backend.tensorMap.get(dataId).values = null;
    const got = read(dataId);
    return got instanceof Int32Array && values.every((value, i) => got[i] === value);
  } finally {
    backend.disposeData(dataId);
  }
}
