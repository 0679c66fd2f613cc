import { crc32, PACKING_VERSION, packCodes } from '../../ops/numerics/packing.js';
import type { Activation } from '../../ops/quantizedMatMul/contract.js';
import { type Attrs, attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import { half, halfScales } from '../graph/encodings.js';
import type { Ref } from '../graph/ir.js';
import type { PlannedLinear } from '../quantize/plan.js';
import type { QuantizedLinear } from '../quantize/quantizeLinear.js';
import type { EmittedTransform } from './emitTransform.js';
import { partMatMul } from './part.js';

/** The low-rank branch: [d, rank] and [rank, n]. */
export interface BranchWeights {
  readonly left: Ref;
  readonly right: Ref;
  readonly rank: number;
}

/** Inputs of a node in order, and the attributes that go with them. */
interface Part {
  readonly inputs: readonly Ref[];
  readonly attrs: Attrs;
}

const NOTHING: Part = { inputs: [], attrs: {} };

/**
 * Puts a QuantizedMatMul into the graph, under a name that it takes over or one of its own:
 * equation (7) of quantize/hadanorm.ts.
 */
export function emitProduct(
  e: GraphBuilder,
  planned: PlannedLinear,
  from: EmittedTransform,
  branch: BranchWeights | null,
  activation: Activation,
  replaced: string | null,
): Ref {
  const { placed, quantized } = planned;
  const { d, name: linear } = placed.linear;
  const name = `${linear}/hadanorm`;
  const { residual, codes } = from;
  const parts: Part[] = [
    weightsPart(e, name, d, quantized),
    codes === null
      ? NOTHING
      : {
          inputs: [codes.scale, codes.zeroPoint],
          attrs: {
            hasCodes: attr.bool(true),
            xBits: attr.int(codes.format.bits),
            xGroupSize: attr.int(codes.format.granularity.groupSize),
          },
        },
    biasPart(e, name, planned),
    residual === null ? NOTHING : { inputs: [residual], attrs: { hasRest: attr.bool(true) } },
    meanRows(e, name, planned, from, branch),
  ];
  const attrs: Attrs = Object.assign({}, ...parts.map((part) => part.attrs));
  const sizes = { d: attr.int(d), n: attr.int(quantized.n), version: attr.int(PACKING_VERSION) };
  const last = activation === 'none' ? {} : { activation: attr.string(activation) };
  const inputs = [from.quantized, ...parts.flatMap((part) => part.inputs)];
  const all = { ...sizes, ...attrs, ...last };
  return e.node('QuantizedMatMul', `${name}/product`, inputs, all, replaced);
}

function weightsPart(
  e: GraphBuilder,
  name: string,
  d: number,
  { n, packed, weights }: QuantizedLinear,
): Part {
  if (packed === null) {
    const attrs = { bits: attr.int(32), groupSize: attr.int(d) };
    return { inputs: [e.constant(`${name}/weights`, [d, n], weights)], attrs };
  }
  const { codes, format, scale } = packed;
  const { bits, granularity } = format;
  const bytes = packCodes(codes, d, n, bits);
  const inputs = [
    e.constant(`${name}/codes`, [bytes.length], bytes),
    e.stored(`${name}/scales`, [scale.length / n, n], halfScales(scale)),
  ];
  const checksum = attr.int(crc32(bytes));
  const groupSize = attr.int(granularity.groupSize);
  return { inputs, attrs: { bits: attr.int(bits), groupSize, checksum } };
}

function biasPart(e: GraphBuilder, name: string, planned: PlannedLinear): Part {
  const { placed, quantized, activations } = planned;
  const { n, meanProduct, shift, packed } = quantized;
  const { bias } = placed.linear;
  if (bias === null && meanProduct === null && shift === null) return NOTHING;
  const own = bias?.read();
  const sum = Float32Array.from({ length: n }, (_, j) => {
    return (own?.[j] ?? 0) + (meanProduct?.[j] ?? 0) + (shift?.[j] ?? 0);
  });
  // half precision is far finer than quantized activations are, but not than 8-bit weights alone
  // beside a large bias
  const fine = packed === null || activations === null;
  const stored = fine ? { values: sum, quantization: undefined } : half(sum);
  return { inputs: [e.stored(`${name}/bias`, [n], stored)], attrs: { hasBias: attr.bool(true) } };
}

/**
 * The rows that do not go through the codes: the mean's along its basis, and its part in the
 * low-rank branch.
 */
function meanRows(
  e: GraphBuilder,
  name: string,
  { transform, quantized }: PlannedLinear,
  { residual, coefficients }: EmittedTransform,
  branch: BranchWeights | null,
): Part {
  const { basis, basisScale, n } = quantized;
  const along = coefficients === null || basis === null ? null : coefficients;
  const rows = along === null ? 0 : basis!.values.length / n;
  const matrix = along === null ? null : e.stored(`${name}/basis`, [rows, n], basis!);
  if (residual === null || branch === null) {
    if (matrix === null) return NOTHING;
    const attrs = { hasBasis: attr.bool(true) };
    if (basisScale === null) return { inputs: [along!, matrix], attrs };
    const scale = e.constant(`${name}/basisScale`, [rows], basisScale);
    return {
      inputs: [along!, matrix, scale],
      attrs: { ...attrs, hasBasisScale: attr.bool(true) },
    };
  }
  const columns = [partMatMul(e, `${name}/restAlong`, residual, branch.left)];
  const parts = [branch.right];
  if (matrix !== null) {
    const spread = e.constant(
      `${name}/basisScale`,
      [transform.rank, rows],
      spreading(transform.rank, rows, basisScale),
    );
    columns.unshift(partMatMul(e, `${name}/coefficients`, along!, spread));
    parts.unshift(matrix);
  }
  const joined = (suffix: string, refs: readonly Ref[], axis: number) =>
    refs.length === 1 ? refs[0]! : e.concat(`${name}/${suffix}`, refs, axis);
  return {
    inputs: [joined('columns', columns, 1), joined('parts', parts, 0)],
    attrs: { hasBasis: attr.bool(true) },
  };
}

/**
 * [rank, rows] that takes each coefficient to its rows of the basis, scaled: what `basisScale` does
 * within the product.
 */
function spreading(rank: number, rows: number, scale: Float32Array | null): Float32Array {
  const out = new Float32Array(rank * rows);
  for (let i = 0; i < rows; i++) out[(i % rank) * rows + i] = scale?.[i] ?? 1;
  return out;
}
