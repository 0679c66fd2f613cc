import {
  getKernel,
  type KernelConfig,
  type KernelFunc,
  registerKernel,
  unregisterKernel,
} from '@tensorflow/tfjs-core';

/** Kernels that are this package's: a backend that comes anew finds them. */
const taken = new WeakSet<KernelConfig>();

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
  if (theirs == null || taken.has(theirs)) return;
  const ours: KernelConfig = { ...theirs, kernelFunc: wrap(theirs.kernelFunc) };
  taken.add(ours);
  unregisterKernel(kernelName, backendName);
  registerKernel(ours);
}
