import {
  getKernel,
  type KernelConfig,
  type KernelFunc,
  registerKernel,
  unregisterKernel,
} from '@tensorflow/tfjs-core';

// Symbol.for: a second copy of the plugin leaves what the first one took, whose kernels work
// together; and a backend that comes anew finds it
const TAKEN = Symbol.for('tfjs-hadanorm.taken');

/**
 * Puts a kernel in the place of one of tfjs's own, which it is given for what it leaves to it;
 * nothing where that is not registered, or was replaced before.
 */
export function takeOver(
  kernelName: string,
  backendName: string,
  wrap: (theirs: KernelFunc) => KernelFunc,
): void {
  const theirs = getKernel(kernelName, backendName);
  if (theirs == null || TAKEN in theirs) return;
  const kernelFunc = wrap(theirs.kernelFunc);
  const ours: KernelConfig = Object.assign({ ...theirs }, { kernelFunc, [TAKEN]: true });
  unregisterKernel(kernelName, backendName);
  registerKernel(ours);
}
