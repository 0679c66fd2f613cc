import { crc32, PACKING_VERSION, packCodes } from '../../ops/numerics/packing.js';
import type { Activation } from '../../ops/quantizedMatMul/contract.js';
import { type Attrs, attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import { half, halfScales } from '../graph/encodings.js';
import type { Ref } from '../graph/ir.js';
import type { PlannedLinear } from '../quantize/plan.js';
import type { QuantizedLinear, StoredRows } from '../quantize/quantizeLinear.js';
import type { EmittedTransform } from './emitTransform.js';

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
    basisPart(e, name, planned, from),
    branchPart(e, name, planned, from),
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
    return { inputs: [e.constant(`${name}/weights`, [d, n], weights())], attrs };
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

/** The means along their basis, which do not go through the codes. */
function basisPart(
  e: GraphBuilder,
  name: string,
  { quantized }: PlannedLinear,
  { coefficients }: EmittedTransform,
): Part {
  const { basis, n } = quantized;
  if (coefficients === null || basis === null) return NOTHING;
  return storedRows(e, `${name}/basis`, coefficients, basis, n, 'hasBasis');
}

/** What goes along the branch, and its weights. */
function branchPart(
  e: GraphBuilder,
  name: string,
  { quantized }: PlannedLinear,
  { along }: EmittedTransform,
): Part {
  const { branch, n } = quantized;
  if (along === null || branch === null) return NOTHING;
  return storedRows(e, `${name}/directionWeights`, along, branch, n, 'hasDirections');
}

/** Factors, the rows that they are for, and where the rows are coarse their scales. */
function storedRows(
  e: GraphBuilder,
  name: string,
  factors: Ref,
  { rows, scale }: StoredRows,
  n: number,
  flag: string,
): Part {
  const count = rows.values.length / n;
  const matrix = e.stored(name, [count, n], rows);
  const attrs = { [flag]: attr.bool(true) };
  if (scale === null) return { inputs: [factors, matrix], attrs };
  const scales = e.constant(`${name}Scale`, [count], scale);
  const scaled = { ...attrs, [`${flag}Scale`]: attr.bool(true) };
  return { inputs: [factors, matrix, scales], attrs: scaled };
}
