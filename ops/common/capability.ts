import { findBackend } from '@tensorflow/tfjs-core';
import type { OpContract } from './contract.js';
import { kernelKind, kernelSupports } from './kernel.js';

/**
 * Why a backend has no kernel of its own for a form of an op, or one that takes a longer way with
 * it; null where it has. The op itself gives the right result in any case.
 */
export function whyNot<Form>(
  contract: OpContract<Form>,
  backendName: string,
  form: Form,
): string | null {
  const reason = contract.supports(form);
  if (reason !== null) return reason;
  if (kernelKind(contract.kernelName, backendName) !== 'own') {
    return noKernel(contract, backendName, form);
  }
  const supports = kernelSupports<Form>(contract.kernelName, backendName);
  if (supports === null) return null;
  const backend = findBackend(backendName);
  return backend === null ? `the backend ${backendName} is not set up` : supports(form, backend);
}

/** How that is said of a backend that composes the op, or comes to numbers by floats. */
export function noKernel<Form>(
  { kernelName, arithmetic }: OpContract<Form>,
  backendName: string,
  form: Form,
): string {
  const what = arithmetic(form) === 'integer' ? 'integer' : kernelName;
  return `there is no ${what} kernel for ${backendName}`;
}
