import { attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Ref } from '../graph/ir.js';
import { PART_ATTR } from '../recognize/linears.js';

/** a · b or a · bᵀ within a rewritten linear: no linear by itself. */
export function partMatMul(
  builder: GraphBuilder,
  name: string,
  a: Ref,
  b: Ref,
  transposeB = false,
): Ref {
  return builder.matMul(name, a, b, transposeB, { [PART_ATTR]: attr.bool(true) });
}
