import type { KernelBackend } from '@tensorflow/tfjs-core';
import { guardReads } from '../common/guard.js';
import type { Life } from '../common/life.js';
import { WebgpuDeviceLostError } from '../numerics/errors.js';
import { correctTransposes, type ProgramBackend } from './programs.js';
import { quickenPrograms, type RecordingBackend } from './quickPrograms.js';
import { deferResiduals } from './residuals.js';
import { takeOverSplits } from './split.js';
import { checkStepReads, type StepReader } from './stepReads.js';

/** The parts of tfjs-backend-webgpu 4.22 that know of its device. */
interface DeviceBackend extends KernelBackend, ProgramBackend {
  readonly device: {
    readonly lost: Promise<unknown>;
    readonly queue: { onSubmittedWorkDone(): Promise<unknown> };
  };
  readonly tensorMap: {
    get(dataId: object): { readonly dtype: string; values?: unknown };
    has(dataId: object): boolean;
  };
  readonly disposed: boolean;
}

/**
 * The life of a WebGPU backend: until its device is lost, or it is removed. Unlike WebGL's, a loss
 * is known only when the browser has had its turn. From here on its transpositions are right, its
 * programs are started in less time, and it is read in step only where that gives what is there.
 */
export function webgpuLife(backend: KernelBackend): Life | null {
  if (!('device' in backend && 'tensorMap' in backend)) return null;
  const webgpu = backend as DeviceBackend;
  const { device, tensorMap } = webgpu;
  correctTransposes(webgpu);
  quickenPrograms(backend as object as RecordingBackend);
  takeOverSplits();
  deferResiduals();
  checkStepReads(backend as object as StepReader);
  let lost = false;
  const gone = device.lost.then(() => {
    lost = true;
  });
  const life: Life = {
    isLost: () => lost || webgpu.disposed,
    error: (op) => new WebgpuDeviceLostError(op, lost ? 'lost' : 'removed'),
    // the queue answers in turn: what was lost before is told before
    readsLater: true,
    news: () => Promise.race([gone, device.queue.onSubmittedWorkDone().then(ignore, ignore)]),
  };
  guardReads(webgpu, life, {
    inMemory: (dataId) => tensorMap.get(dataId).values != null,
    forget: (dataId) => {
      if (tensorMap.has(dataId)) tensorMap.get(dataId).values = null;
    },
  });
  return life;
}

function ignore(): void {}
