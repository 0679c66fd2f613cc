import { whyNot } from '../../ops/common/capability.js';
import type { FakeQuantAttrs } from '../../ops/fakeQuant/contract.js';
import { hadaNormQuantizeContract, type StaticRange } from '../../ops/hadaNormQuantize/contract.js';
import { quantizedMatMulContract } from '../../ops/quantizedMatMul/contract.js';
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
 * Why a linear with codes on both sides is not multiplied in integers on a backend; null where it
 * is.
 */
export function notInIntegers(
  backendName: string,
  { d, bits, groupSize }: QuantizedWeights,
  x: CodeQuantizer,
): string | null {
  // it is the codes that matter here, however what they are made of was rotated
  const codes = { bits: x.bits, groupSize: x.groupSize, blockSize: 0 };
  const product = { d, bits, groupSize, xBits: x.bits, xGroupSize: x.groupSize };
  return (
    whyNot(hadaNormQuantizeContract, backendName, codes) ??
    whyNot(quantizedMatMulContract, backendName, product)
  );
}
