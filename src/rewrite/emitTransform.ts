import { type GroupedFormat, hasZeroPoint } from '../../ops/numerics/formats.js';
import { type Attrs, attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import { affine, half } from '../graph/encodings.js';
import { nodeOf, type Ref } from '../graph/ir.js';
import { optionalInputs } from '../graph/optionalInputs.js';
import type { Branch } from '../quantize/branch.js';
import type { ActivationQuantizer } from '../quantize/settings.js';
import type { Transform } from '../quantize/transform.js';
import type { Site } from '../recognize/sites.js';
import { type CodeQuantizer, codeQuantizer } from './lowering.js';
import { partMatMul } from './part.js';

/** What the linears of a site read once their transform is in the graph. */
export interface EmittedTransform {
  /** Q(x'): as float32, or where there are `codes` the codes themselves. */
  readonly quantized: Ref;
  readonly codes: EmittedCodes | null;
  readonly residual: Ref | null; // [samples, d]
  readonly coefficients: Ref | null; // [samples, rank]
  readonly along: Ref | null; // what goes along the branch, [..., tokens, rank of it]
}

/** What makes numbers of codes. */
export interface EmittedCodes {
  readonly scale: Ref; // [..., tokens, groups]
  readonly zeroPoint: Ref;
  readonly format: GroupedFormat;
}

/** How a transform is to be put into the graph. */
export interface TransformForm {
  /** Codes where the quantizer has them, else numbers that are quantized and dequantized. */
  readonly integer: boolean;
  /** Which tokens the mean is of, [samples..., tokens]; null: all. */
  readonly mask: Ref | null;
}

/** A site on its way into the graph: x [..., tokens, d], σ and μ̄ beside it. */
interface Source {
  readonly name: string;
  readonly x: Ref;
  readonly sigma: Ref | null;
  readonly mean: Ref | null;
  /** Where the mean is of some tokens only. */
  readonly mask: Ref | null;
}

/**
 * Puts a transform and the activations' quantizer behind a site: equations (1), (3), (5) and (6) of
 * quantize/hadanorm.ts as nodes.
 */
export function emitTransform(
  e: GraphBuilder,
  site: Site,
  t: Transform,
  activations: ActivationQuantizer | null,
  form: TransformForm,
): EmittedTransform {
  const name = `${nodeOf(site.source)}/hadanorm`;
  const source = {
    name,
    x: tokensLast(e, site, name),
    sigma: t.sigma === null ? null : e.stored(`${name}/scale`, [t.d], half(t.sigma)),
    mean: t.mean === null ? null : e.stored(`${name}/mean`, [t.d], half(t.mean)),
    mask: t.parts.center === 'dynamic' ? form.mask : null,
  };
  const quantizer = form.integer ? codeQuantizer(activations, t.d) : null;
  if (quantizer !== null) return codesOf(e, source, t, quantizer);
  const dynamic = t.parts.center === 'dynamic';
  const centered = dynamic
    ? center(e, `${name}/center`, source.x, { ...source, mean: null })
    : shiftAndScale(e, `${name}/center`, source.x, source);
  const rotated = rotate(e, `${name}/rotate`, centered, t);
  const means = dynamic ? meanParts(e, source, t, centered) : NO_MEANS;
  const beside = besideBranch(e, name, t, rotated, means.residual);
  const { left } = beside;
  const quantized = activations === null ? left : quantize(e, name, left, activations);
  return { quantized, codes: null, ...means, residual: beside.residual, along: beside.along };
}

const NO_MEANS = { residual: null, coefficients: null };

/** site → HadaNormQuantize: codes, scales and zero points, and the residual of the means. */
function codesOf(
  e: GraphBuilder,
  { name, x, sigma, mean, mask }: Source,
  t: Transform,
  { format, range }: CodeQuantizer,
): EmittedTransform {
  const { center } = t.parts;
  const { branch } = t;
  const basis = t.basis === null ? null : basisOf(e, name, t);
  const vectors = branch === null ? {} : { hasDirections: directionsOf(e, name, branch, t.d) };
  const given = { hasScale: sigma, hasMean: mean, hasBasis: basis, ...ifMasked(mask), ...vectors };
  const { inputs, flags } = optionalInputs(given);
  const node = e.node('HadaNormQuantize', `${name}/quantize`, [x, ...inputs], {
    bits: attr.int(format.bits),
    symmetric: attr.bool(!hasZeroPoint(format)),
    groupSize: attr.int(format.granularity.groupSize),
    centre: attr.string(center),
    blockSize: attr.int(t.blockSize),
    ...(branch?.subtract ? { subtract: attr.bool(true) } : {}),
    ...flags,
    ...rangeAttrs(range),
  });
  const dynamic = center === 'dynamic';
  const last = 3 + (dynamic ? 1 : 0) + (basis === null ? 0 : 1);
  return {
    quantized: node,
    codes: { scale: `${node}:1`, zeroPoint: `${node}:2`, format },
    residual: dynamic ? `${node}:3` : null,
    coefficients: basis === null ? null : `${node}:4`,
    along: branch === null ? null : `${node}:${last}`,
  };
}

/**
 * The means that a ChannelCenter node took out: along the basis, and the residual of them rotated.
 */
function meanParts(
  e: GraphBuilder,
  source: Source,
  t: Transform,
  centered: Ref,
): Pick<EmittedTransform, 'residual' | 'coefficients'> {
  const { name } = source;
  const means = e.rows(`${name}/means`, `${centered}:1`, t.d);
  const off = shiftAndScale(e, `${name}/offMean`, means, source);
  if (t.basis === null) return { residual: rotate(e, `${name}/rest`, off, t), coefficients: null };
  const basis = basisOf(e, name, t);
  const coefficients = partMatMul(e, `${name}/coefficients`, off, basis, true);
  const inBasis = partMatMul(e, `${name}/inBasis`, coefficients, basis);
  const residual = e.node('Sub', `${name}/beside`, [off, inBasis]);
  return { residual: rotate(e, `${name}/rest`, residual, t), coefficients };
}

/**
 * x' and the residual at the branch, as nodes: equation (8). What goes along it, and what is left
 * for the weights.
 */
function besideBranch(
  e: GraphBuilder,
  name: string,
  { branch, d }: Transform,
  rotated: Ref,
  residual: Ref | null,
): { left: Ref; residual: Ref | null; along: Ref | null } {
  if (branch === null) return { left: rotated, residual, along: null };
  const vectors = directionsOf(e, name, branch, d);
  const split = (part: string, rows: Ref) => {
    const along = partMatMul(e, `${name}/${part}Along`, rows, vectors);
    if (!branch.subtract) return { along, left: rows };
    const taken = partMatMul(e, `${name}/${part}Taken`, along, vectors, true);
    return { along, left: e.node('Sub', `${name}/${part}Left`, [rows, taken]) };
  };
  const tokens = split('token', e.rows(`${name}/tokenRows`, rotated, d));
  const left = e.reshapeLike(`${name}/left`, tokens.left, rotated, 1, [d]);
  const along = e.reshapeLike(`${name}/along`, tokens.along, rotated, 1, [branch.rank]);
  if (residual === null) return { left, residual, along };
  const mean = split('mean', residual);
  const row = e.reshapeLike(`${name}/meanRow`, mean.along, rotated, 2, [1, branch.rank]);
  const whole = e.node('AddV2', `${name}/alongAll`, [along, row]);
  return { left, residual: mean.left, along: whole };
}

function directionsOf(e: GraphBuilder, name: string, { vectors, rank }: Branch, d: number): Ref {
  return e.stored(`${name}/directions`, [d, rank], vectors);
}

function basisOf(
  e: GraphBuilder,
  name: string,
  { basis, rank, d }: Pick<Transform, 'basis' | 'rank' | 'd'>,
): Ref {
  return e.stored(`${name}/basis`, [rank, d], affine(basis!, 'uint8'));
}

/** The site as [..., tokens, d]. */
function tokensLast(
  e: GraphBuilder,
  { source, axes, d, tokens, like, likeAxes }: Site,
  name: string,
): Ref {
  if (tokens === 'hidden') return e.reshapeLike(`${name}/tokens`, source, like!, likeAxes, [d]);
  return axes === 1 ? source : e.reshapeLike(`${name}/channels`, source, source, axes, [d]);
}

function center(
  e: GraphBuilder,
  name: string,
  x: Ref,
  { sigma, mean, mask }: Pick<Source, 'sigma' | 'mean' | 'mask'>,
): Ref {
  const given = { hasScale: sigma, hasMean: mean, ...ifMasked(mask) };
  const { inputs, flags } = optionalInputs(given);
  return e.node('ChannelCenter', name, [x, ...inputs], flags);
}

/** The flag stands only where there is a mask: other graphs are as they ever were. */
function ifMasked(mask: Ref | null): Record<string, Ref> {
  return mask === null ? {} : { hasMask: mask };
}

function shiftAndScale(
  e: GraphBuilder,
  name: string,
  x: Ref,
  { sigma, mean }: Pick<Source, 'sigma' | 'mean'>,
): Ref {
  if (mean !== null) return center(e, name, x, { sigma, mean, mask: null });
  return sigma === null ? x : e.node('RealDiv', name, [x, sigma]);
}

function rotate(e: GraphBuilder, name: string, x: Ref, { blockSize }: Transform): Ref {
  if (blockSize === 0) return x;
  return e.node('HadamardTransform', name, [x], { blockSize: attr.int(blockSize) });
}

function quantize(e: GraphBuilder, name: string, x: Ref, a: ActivationQuantizer): Ref {
  const { format, range } = a;
  const { granularity } = format;
  const attrs: Attrs = {
    bits: attr.int(format.bits),
    symmetric: attr.bool(!hasZeroPoint(format)),
    granularity: attr.string(granularity.kind),
    ...(granularity.kind === 'perGroup'
      ? { axis: attr.int(-1), groupSize: attr.int(granularity.groupSize) }
      : {}),
    ...rangeAttrs(range),
  };
  return e.node('FakeQuant', `${name}/quantize`, [x], attrs);
}

function rangeAttrs(range: CodeQuantizer['range']): Attrs {
  if (range === null) return {};
  return { rangeMin: attr.float(range.min), rangeMax: attr.float(range.max) };
}
