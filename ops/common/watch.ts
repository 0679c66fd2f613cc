import { engine, type NamedAttrMap, type NamedTensorMap, type Tensor } from '@tensorflow/tfjs-core';

/** What somebody sees of the engine's work. */
export interface EngineWatch {
  /** In place of the engine's own, which is in `runKernel`. */
  readonly ran: (
    kernel: string,
    inputs: NamedTensorMap,
    attrs: NamedAttrMap | undefined,
    runKernel: () => Tensor | Tensor[],
  ) => Tensor | Tensor[];
  /** Before the values of a tensor are read; whether it is waited for them. */
  readonly read: (dataId: object, waits: boolean) => void;
}

/** Watches until the function that it returns is called; the engine is as it was then. */
export function watchEngine({ ran, read: reads }: EngineWatch): () => void {
  const tfjs = engine();
  const { runKernel, readSync, read } = tfjs;
  const own = {
    runKernel: (kernel: string, inputs: NamedTensorMap, attrs?: NamedAttrMap) =>
      ran(kernel, inputs, attrs, () => {
        return runKernel.call(tfjs, kernel, inputs, attrs) as Tensor | Tensor[];
      }),
    readSync: (dataId: object) => {
      reads(dataId, false);
      return readSync.call(tfjs, dataId);
    },
    read: (dataId: object) => {
      reads(dataId, true);
      return read.call(tfjs, dataId);
    },
  };
  const names = Object.keys(own) as (keyof typeof own)[];
  const before = Object.getOwnPropertyDescriptors(tfjs) as Partial<
    Record<keyof typeof own, PropertyDescriptor>
  >;
  // own properties hide the methods until they are taken away
  Object.assign(tfjs, own);
  return () => {
    for (const name of names) {
      Reflect.deleteProperty(tfjs, name);
      if (before[name] !== undefined) Object.defineProperty(tfjs, name, before[name]);
    }
  };
}

/** Whether somebody watches, or has put functions of their own into the engine. */
export function isWatched(): boolean {
  return Object.hasOwn(engine(), 'runKernel');
}
