import { currentBackend, kernelKind } from '../../ops/common/kernel.js';
import type { FakeQuantAttrs } from '../../ops/fakeQuant/contract.js';
import type { StaticRange } from '../../ops/hadaNormQuantize/contract.js';
import type { WasmBackend } from '../../ops/wasm/instance/backend.js';
import { wasmModule } from '../../ops/wasm/module.js';
import { segmentsOf } from '../../ops/wasm/segments.js';
import type { QuantizedWeights } from '../quantize/uniform.js';

/** A quantizer of activations that a `HadaNormQuantize` node has. */
export interface CodeQuantizer {
  readonly bits: number;
  readonly symmetric: boolean;
  readonly groupSize: number;
  readonly range: StaticRange | null;
}

/**
 * The quantizer as attributes of `HadaNormQuantize`; null for none, and for one that the op does
 * not have.
 */
export function codeQuantizer(activations: FakeQuantAttrs | null, d: number): CodeQuantizer | null {
  if (activations === null) return null;
  const { bits, symmetric, granularity, range } = activations;
  switch (granularity.kind) {
    case 'perToken':
      return { bits, symmetric, groupSize: d, range: null };
    case 'perGroup':
      return { bits, symmetric, groupSize: Math.min(granularity.groupSize, d), range: null };
    case 'perTensor':
      // a dynamic range is known when all tokens were seen, codes are made token by token
      if (range === null) return null;
      return { bits, symmetric, groupSize: d, range: range as StaticRange };
    case 'perChannel':
      return null;
    default:
      return granularity satisfies never;
  }
}

/**
 * Why a linear with codes on both sides is not multiplied in integers on the current backend; null
 * where it is.
 */
export function notInIntegers(
  backendName: string,
  weights: QuantizedWeights,
  { groupSize }: CodeQuantizer,
): string | null {
  const kinds = ['HadaNormQuantize', 'QuantizedMatMul'].map((op) => kernelKind(op, backendName));
  if (kinds.some((kind) => kind !== 'own')) return `there is no integer kernel for ${backendName}`;
  if (backendName !== 'wasm') return null;
  // tfjs types backends by what they all have
  if (wasmModule(currentBackend<WasmBackend>()) === null) {
    return 'this engine has no WebAssembly SIMD';
  }
  if (segmentsOf(weights.d, weights.groupSize, groupSize) !== null) return null;
  return 'integer kernels for wasm need groups of a multiple of 4';
}
