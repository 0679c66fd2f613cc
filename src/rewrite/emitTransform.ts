import { type GroupedFormat, hasZeroPoint } from '../../ops/numerics/formats.js';
import { type Attrs, attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import { affine, half } from '../graph/encodings.js';
import { nodeOf, type Ref } from '../graph/ir.js';
import { optionalInputs } from '../graph/optionalInputs.js';
import type { Parts } from '../quantize/methods.js';
import type { ActivationQuantizer } from '../quantize/settings.js';
import type { Transform } from '../quantize/transform.js';
import type { Site } from '../recognize/sites.js';
import { type CodeQuantizer, codeQuantizer } from './lowering.js';
import { partMatMul } from './part.js';

/** What the linears of a site read once their transform is in the graph. */
export interface EmittedTransform {
  /** x', [..., tokens, d]; null where only its codes are in the graph. */
  readonly rotated: Ref | null;
  /** Q(x'): as float32, or where there are `codes` the codes themselves. */
  readonly quantized: Ref;
  readonly codes: EmittedCodes | null;
  readonly residual: Ref | null; // [samples, d]
  readonly coefficients: Ref | null; // [samples, rank]
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
  /** Whether a linear reads x' itself: a low-rank branch does. */
  readonly rotated: boolean;
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
  if (quantizer !== null && !form.rotated) {
    return codesOf(e, source, { ...t, center: t.parts.center }, quantizer);
  }
  const dynamic = t.parts.center === 'dynamic';
  const centered = dynamic
    ? center(e, `${name}/center`, source.x, { ...source, mean: null })
    : shiftAndScale(e, `${name}/center`, source.x, source);
  const rotated = rotate(e, `${name}/rotate`, centered, t);
  const means = dynamic
    ? meanParts(e, source, t, centered)
    : { residual: null, coefficients: null };
  if (quantizer !== null) {
    // rotated already: what is left of the op is its quantizer
    const plain = { name, x: rotated, sigma: null, mean: null, mask: null };
    const codes = codesOf(e, plain, { ...t, ...AS_IT_IS }, quantizer);
    return { ...codes, ...means, rotated };
  }
  const quantized = activations === null ? rotated : quantize(e, name, rotated, activations);
  return { rotated, quantized, codes: null, ...means };
}

const AS_IT_IS = { center: 'none', blockSize: 0, basis: null, rank: 0 } as const;

/** site → HadaNormQuantize: codes, scales and zero points, and the residual of the means. */
function codesOf(
  e: GraphBuilder,
  { name, x, sigma, mean, mask }: Source,
  t: Pick<Transform, 'd' | 'basis' | 'rank' | 'blockSize'> & Pick<Parts, 'center'>,
  { format, range }: CodeQuantizer,
): EmittedTransform {
  const { center } = t;
  const basis = t.basis === null ? null : basisOf(e, name, t);
  const given = { hasScale: sigma, hasMean: mean, hasBasis: basis, ...ifMasked(mask) };
  const { inputs, flags } = optionalInputs(given);
  const node = e.node('HadaNormQuantize', `${name}/quantize`, [x, ...inputs], {
    bits: attr.int(format.bits),
    symmetric: attr.bool(!hasZeroPoint(format)),
    groupSize: attr.int(format.granularity.groupSize),
    centre: attr.string(center),
    blockSize: attr.int(t.blockSize),
    ...flags,
    ...rangeAttrs(range),
  });
  return {
    rotated: null,
    quantized: node,
    codes: { scale: `${node}:1`, zeroPoint: `${node}:2`, format },
    residual: center === 'dynamic' ? `${node}:3` : null,
    coefficients: basis === null ? null : `${node}:4`,
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
  const along = partMatMul(e, `${name}/along`, coefficients, basis);
  const residual = e.node('Sub', `${name}/beside`, [off, along]);
  return { residual: rotate(e, `${name}/rest`, residual, t), coefficients };
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
