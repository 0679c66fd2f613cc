import { crc32, PACKING_VERSION, packCodes } from '../../ops/common/packing.js';
import type { FakeQuantAttrs } from '../../ops/fakeQuant/op.js';
import { type Attrs, attr } from '../graph/attrs.js';
import { nodeOf, type Ref } from '../graph/ir.js';
import { affine, half, halfScales } from '../pack/stored.js';
import type { Emitter } from './emitter.js';
import type { FusedActivation, Linear } from './linears.js';
import type { PlannedLinear } from './plan.js';
import type { QuantizedLinear } from './quantizeLinear.js';
import type { Site } from './sites.js';
import type { Transform } from './transform.js';

/** What the linears of a site read once their transform is in the graph. */
export interface EmittedTransform {
  readonly rotated: Ref; // x', [..., tokens, d]
  readonly quantized: Ref; // Q(x')
  readonly rest: Ref | null; // [samples, d]
  readonly coefficients: Ref | null; // [samples, rank]
}

/** Puts a transform and the activations' quantizer behind a site. */
export function emitTransform(
  e: Emitter,
  site: Site,
  t: Transform,
  activations: FakeQuantAttrs | null,
): EmittedTransform {
  const name = `${nodeOf(site.source)}/hadanorm`;
  const x = tokensLast(e, site, name);
  const sigma = t.sigma === null ? null : e.stored(`${name}/scale`, [t.d], half(t.sigma));
  const mean = t.mean === null ? null : e.stored(`${name}/mean`, [t.d], half(t.mean));
  const dynamic = t.parts.centre === 'dynamic';
  const centred = dynamic
    ? center(e, `${name}/center`, x, sigma, null)
    : shiftAndScale(e, `${name}/center`, x, sigma, mean);
  const rotated = rotate(e, `${name}/rotate`, centred, t);
  const quantized = activations === null ? rotated : quantize(e, name, rotated, activations);
  if (!dynamic) return { rotated, quantized, rest: null, coefficients: null };
  const means = e.rows(`${name}/means`, `${centred}:1`, t.d);
  const off = shiftAndScale(e, `${name}/offMean`, means, sigma, mean);
  if (t.basis === null) {
    return { rotated, quantized, rest: rotate(e, `${name}/rest`, off, t), coefficients: null };
  }
  const basis = e.stored(`${name}/basis`, [t.rank, t.d], affine(t.basis, 'uint8'));
  const coefficients = e.matMul(`${name}/coefficients`, off, basis, true);
  const along = e.matMul(`${name}/along`, coefficients, basis);
  const rest = e.node('Sub', `${name}/beside`, [off, along]);
  return { rotated, quantized, rest: rotate(e, `${name}/rest`, rest, t), coefficients };
}

/** Puts a quantized linear in the place of an original; its last node takes the original's name. */
export function emitLinear(
  e: Emitter,
  { placed, transform: t, quantized, activations }: PlannedLinear,
  from: EmittedTransform,
): void {
  const { linear, site, flattened } = placed;
  const { n, lowRank } = quantized;
  const name = `${linear.name}/hadanorm`;
  // steps are kept back by one, for the last of them takes the original's name
  const steps: Step[] = [];
  const branchWeights =
    lowRank === null
      ? null
      : {
          left: e.stored(`${name}/left`, [t.d, lowRank.rank], lowRank.left),
          right: e.stored(`${name}/right`, [lowRank.rank, n], lowRank.right),
        };
  // half precision is far finer than quantized activations are, but not than 8-bit weights alone beside a large bias
  const halfBias = quantized.packed !== null && activations !== null;
  steps.push(product(e, name, linear, quantized, t, from, branchWeights, halfBias));
  if (branchWeights !== null) {
    const rows = e.rows(`${name}/rows`, from.rotated, t.d);
    const along = e.matMul(`${name}/along`, rows, branchWeights.left);
    const branch = e.matMul(`${name}/branch`, along, branchWeights.right);
    const shaped = e.reshapeLike(`${name}/branchTokens`, branch, from.rotated, 1, [n]);
    steps.push(step('AddV2', `${name}/sum`, (y) => [y, shaped]));
  }
  if (flattened || site.tokens === 'hidden') {
    const shape = e.integers(`${name}/rowShape`, [-1, ...linear.outputAxes]);
    steps.push(step('Reshape', `${name}/toRows`, (y) => [y, shape]));
  } else if (linear.outputAxes.length > 1) {
    // the leading axes are those of the site
    steps.push({ ...step('Identity', `${name}/heads`, (y) => [y]), dims: linear.outputAxes });
  }
  if (linear.activation !== null) steps.push(activationStep(linear.activation, name));
  let y: Ref = '';
  steps.forEach(({ op, name: own, inputs, attrs, dims }, i) => {
    const last = i === steps.length - 1;
    if (dims !== undefined) {
      const shaped = e.reshapeLike(own, y, y, 1, dims);
      y = last ? e.replacement('Identity', linear.name, [shaped]) : shaped;
    } else {
      y = last
        ? e.replacement(op, linear.name, inputs(y), attrs)
        : e.node(op, own, inputs(y), attrs);
    }
  });
}

/** The low-rank branch: [d, rank] and [rank, n]. */
interface BranchWeights {
  readonly left: Ref;
  readonly right: Ref;
}

interface Step {
  readonly op: string;
  readonly name: string;
  readonly inputs: (y: Ref) => Ref[];
  readonly attrs: Attrs;
  /** Reshape the last axis into these. */
  readonly dims?: readonly number[];
}

function step(op: string, name: string, inputs: (y: Ref) => Ref[], attrs: Attrs = {}): Step {
  return { op, name, inputs, attrs };
}

function product(
  e: Emitter,
  name: string,
  { bias, d }: Linear,
  quantized: QuantizedLinear,
  t: Transform,
  { quantized: x, rest, coefficients }: EmittedTransform,
  branch: BranchWeights | null,
  halfBias: boolean,
): Step {
  const { n, packed, weights, meanProduct } = quantized;
  const inputs: Ref[] = [x];
  let attrs: Attrs = { d: attr.int(d), n: attr.int(n), version: attr.int(PACKING_VERSION) };
  if (packed === null) {
    inputs.push(e.floats(`${name}/weights`, [d, n], weights));
    attrs = { ...attrs, bits: attr.int(32), groupSize: attr.int(d) };
  } else {
    const bytes = packCodes(packed.codes, d, n, packed.bits);
    const groups = packed.scale.length / n;
    inputs.push(e.bytes(`${name}/codes`, bytes));
    inputs.push(e.stored(`${name}/scales`, [groups, n], halfScales(packed.scale)));
    const checksum = attr.int(crc32(bytes));
    attrs = {
      ...attrs,
      bits: attr.int(packed.bits),
      groupSize: attr.int(packed.groupSize),
      checksum,
    };
  }
  if (bias !== null || meanProduct !== null) {
    const sum = summed(bias?.read() as Float32Array, meanProduct, n);
    const whole = { values: sum, quantization: undefined };
    inputs.push(e.stored(`${name}/bias`, [n], halfBias ? half(sum) : whole));
    attrs = { ...attrs, hasBias: attr.bool(true) };
  }
  if (rest !== null) {
    inputs.push(rest);
    attrs = { ...attrs, hasRest: attr.bool(true) };
  }
  const rows = meanRows(e, name, quantized, t, rest, coefficients, branch);
  if (rows !== null) {
    inputs.push(...rows);
    attrs = { ...attrs, hasBasis: attr.bool(true) };
  }
  return step('QuantizedMatMul', `${name}/product`, () => inputs, attrs);
}

/** Coefficients and basis of the rows that do not go through the codes: the mean's, and its part in the low-rank branch. */
function meanRows(
  e: Emitter,
  name: string,
  { basis, basisScale, n }: QuantizedLinear,
  t: Transform,
  rest: Ref | null,
  coefficients: Ref | null,
  branch: BranchWeights | null,
): [Ref, Ref] | null {
  const columns: Ref[] = [];
  const parts: Ref[] = [];
  if (coefficients !== null && basis !== null) {
    const scale = e.floats(`${name}/basisScale`, [t.rank], basisScale!);
    columns.push(e.node('Mul', `${name}/coefficients`, [coefficients, scale]));
    for (const part of basis) {
      parts.push(e.stored(`${name}/basis`, [part.values.length / n, n], part));
    }
  }
  if (rest !== null && branch !== null) {
    columns.push(e.matMul(`${name}/restAlong`, rest, branch.left));
    parts.push(branch.right);
  }
  if (columns.length === 0) return null;
  const joined = (suffix: string, refs: readonly Ref[], axis: number) =>
    refs.length === 1 ? refs[0]! : e.concat(`${name}/${suffix}`, refs, axis);
  return [joined('columns', columns, 1), joined('parts', parts, 0)];
}

/** The site as [..., tokens, d]. */
function tokensLast(
  e: Emitter,
  { source, axes, d, tokens, like, likeAxes }: Site,
  name: string,
): Ref {
  if (tokens === 'hidden') return e.reshapeLike(`${name}/tokens`, source, like!, likeAxes, [d]);
  return axes === 1 ? source : e.reshapeLike(`${name}/channels`, source, source, axes, [d]);
}

function center(e: Emitter, name: string, x: Ref, sigma: Ref | null, mean: Ref | null): Ref {
  const inputs = [x, ...(sigma === null ? [] : [sigma]), ...(mean === null ? [] : [mean])];
  const attrs = { hasScale: attr.bool(sigma !== null), hasMean: attr.bool(mean !== null) };
  return e.node('ChannelCenter', name, inputs, attrs);
}

function shiftAndScale(e: Emitter, name: string, x: Ref, sigma: Ref | null, mean: Ref | null): Ref {
  if (mean !== null) return center(e, name, x, sigma, mean);
  return sigma === null ? x : e.node('RealDiv', name, [x, sigma]);
}

function rotate(e: Emitter, name: string, x: Ref, { blockSize }: Transform): Ref {
  if (blockSize === 0) return x;
  return e.node('HadamardTransform', name, [x], { blockSize: attr.int(blockSize) });
}

function quantize(e: Emitter, name: string, x: Ref, a: FakeQuantAttrs): Ref {
  const { granularity, range } = a;
  const attrs: Attrs = {
    bits: attr.int(a.bits),
    symmetric: attr.bool(a.symmetric),
    granularity: attr.string(granularity.kind),
    ...(granularity.kind === 'perGroup'
      ? { axis: attr.int(-1), groupSize: attr.int(granularity.groupSize) }
      : {}),
    ...(range === null
      ? {}
      : { rangeMin: attr.float(range.min as number), rangeMax: attr.float(range.max as number) }),
  };
  return e.node('FakeQuant', `${name}/quantize`, [x], attrs);
}

function activationStep({ op, alpha, slopes }: FusedActivation, name: string): Step {
  const attrs: Attrs = op === 'LeakyRelu' ? { alpha: attr.float(alpha) } : {};
  return step(op, `${name}/activation`, (y) => (slopes === null ? [y] : [y, slopes]), attrs);
}

function summed(
  bias: Float32Array | undefined,
  more: Float32Array | null,
  n: number,
): Float32Array {
  return Float32Array.from({ length: n }, (_, j) => (bias?.[j] ?? 0) + (more?.[j] ?? 0));
}
