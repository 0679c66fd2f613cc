import { engine, getKernel, type KernelBackend, type KernelConfig } from '@tensorflow/tfjs-core';
import type { OpContract } from './contract.js';

// Symbol.for: a second copy of the plugin must recognise what the first one registered
const DIRECTIONS = Symbol.for('tfjs-hadanorm.directions');

/**
 * Why a kernel leaves `rank` directions beside a form to the composition of its op; null where it
 * takes them among its inputs.
 */
export type SupportsDirections<Form, Backend> = (
  form: Form,
  rank: number,
  backend: Backend,
) => string | null;

/** A kernel that may take directions among its inputs; any other is never given some. */
export function withDirections<Form, Backend>(
  config: KernelConfig,
  supports: SupportsDirections<Form, Backend> = () => null,
): KernelConfig {
  return Object.assign({ ...config }, { [DIRECTIONS]: supports });
}

/**
 * Why the current backend composes an op with directions of its kernel for the rest and narrow
 * products; null where its kernel takes them itself.
 */
export function whyNoDirections<Form>(
  { kernelName }: OpContract<Form>,
  form: Form,
  rank: number,
): string | null {
  const { backend, backendName } = engine();
  const config = getKernel(kernelName, backendName);
  if (config == null || !(DIRECTIONS in config)) return 'the kernel takes no directions';
  return (config[DIRECTIONS] as SupportsDirections<Form, KernelBackend>)(form, rank, backend);
}
