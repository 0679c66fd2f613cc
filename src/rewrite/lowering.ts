import { whyNot } from '../../ops/common/capability.js';
import { hadaNormQuantizeContract, type StaticRange } from '../../ops/hadaNormQuantize/contract.js';
import { type GroupedFormat, groupedAlong, inGroups } from '../../ops/numerics/formats.js';
import { quantizedMatMulContract } from '../../ops/quantizedMatMul/contract.js';
import type { ActivationQuantizer } from '../quantize/settings.js';
import type { QuantizedWeights } from '../quantize/uniform.js';

/** A quantizer of activations that a `HadaNormQuantize` node has. */
export interface CodeQuantizer {
  readonly format: GroupedFormat; // groups along the channels of a token
  readonly range: StaticRange | null;
}

/** The quantizer as `HadaNormQuantize` has it; null for none, and for one that it does not have. */
export function codeQuantizer(
  activations: ActivationQuantizer | null,
  d: number,
): CodeQuantizer | null {
  if (activations === null) return null;
  const { format, range } = activations;
  if (format.granularity.kind === 'perTensor') {
    // a dynamic range is known when all tokens were seen, codes are made token by token
    return range === null ? null : { format: inGroups(format, 1, d), range };
  }
  const grouped = groupedAlong(format, 1, d);
  return grouped === null ? null : { format: grouped, range: null };
}

/**
 * Why a linear with codes on both sides is not multiplied in integers on a backend; null where it
 * is.
 */
export function notInIntegers(
  backendName: string,
  { d, format }: QuantizedWeights,
  x: CodeQuantizer,
): string | null {
  // it is the codes that matter here, however what they are made of was rotated
  const codes = { format: x.format, blockSize: 0 };
  const product = { d, format, xFormat: x.format };
  return (
    whyNot(hadaNormQuantizeContract, backendName, codes) ??
    whyNot(quantizedMatMulContract, backendName, product)
  );
}
