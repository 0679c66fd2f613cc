import { InvalidArgumentError } from '../numerics/errors.js';
import type { AttentionAttrs, AttentionInputs } from './contract.js';
import { broadcastView, checkLayout, type StridedView, shapeIn, viewOf } from './layout.js';

/** What an attention runs over. */
export interface AttentionSizes {
  readonly b: number;
  readonly h: number;
  readonly queries: number;
  readonly keys: number;
  /** Channels of q and k. */
  readonly c: number;
  readonly valueChannels: number;
}

/**
 * An attention as its kernels see it: four tensors as [b, h, t, c], the mask as [b, h, queries,
 * keys].
 */
export interface AttentionDims {
  readonly sizes: AttentionSizes;
  readonly q: StridedView;
  readonly k: StridedView;
  readonly v: StridedView;
  readonly output: StridedView;
  readonly outputShape: number[];
  /** Elements between neighbours, 0 along an axis of length 1; null without a mask. */
  readonly mask: readonly [b: number, h: number, queries: number, keys: number] | null;
}

type Operands = Readonly<Record<'q' | 'k' | 'v', StridedView>>;
type Shape4 = readonly [b: number, h: number, queries: number, keys: number];

/**
 * The sizes of an attention, and where its kernels find every element.
 * @throws InvalidArgumentError where the inputs do not fit their layouts or each other, or there is
 * no key.
 */
export function attentionDims(
  op: string,
  { q, k, v, mask }: AttentionInputs,
  attrs: Omit<AttentionAttrs, 'scale'>,
): AttentionDims {
  const operands = {
    q: viewOf(op, 'q', attrs.qLayout, q.shape),
    k: viewOf(op, 'k', attrs.kLayout, k.shape),
    v: viewOf(op, 'v', attrs.vLayout, v.shape),
  };
  const maskShape = mask === undefined ? null : toShape4(op, mask.shape);
  const sizes = commonSizes(op, operands, maskShape);
  if (maskShape !== null) checkMask(op, maskShape, sizes);
  checkLayout(op, 'the layout of the output', attrs.outputLayout, false);
  checkOutput(op, attrs.outputLayout, sizes);
  const { b, h, queries, valueChannels } = sizes;
  const outputShape = shapeIn(attrs.outputLayout, { b, h, t: queries, c: valueChannels });
  return {
    sizes,
    q: broadcastView(operands.q, sizes),
    k: broadcastView(operands.k, sizes),
    v: broadcastView(operands.v, sizes),
    output: viewOf(op, 'the output', attrs.outputLayout, outputShape),
    outputShape,
    mask: maskShape === null ? null : maskStrides(maskShape),
  };
}

function commonSizes(op: string, { q, k, v }: Operands, mask: Shape4 | null): AttentionSizes {
  expectEqual(op, 'k', 'channels', k.size.c, 'q', q.size.c);
  expectEqual(op, 'v', 'tokens', v.size.t, 'k', k.size.t);
  if (k.size.t === 0) throw new InvalidArgumentError(op, 'k', 'of at least one token', 'none');
  const common = (axis: 'b' | 'h', what: string) => {
    const lengths = [q, k, v].map(({ size }) => size[axis]);
    const several = lengths.filter((length) => length !== 1);
    if (new Set(several).size > 1) {
      const wanted = `of the same number of ${what}, or of 1`;
      throw new InvalidArgumentError(op, 'q, k and v', wanted, lengths.join(', '));
    }
    // a mask for each sample makes samples, where q, k and v are the same for all of them
    return several[0] ?? mask?.[axis === 'b' ? 0 : 1] ?? 1;
  };
  return {
    b: common('b', 'samples'),
    h: common('h', 'heads'),
    queries: q.size.t,
    keys: k.size.t,
    c: q.size.c,
    valueChannels: v.size.c,
  };
}

function expectEqual(
  op: string,
  argument: string,
  what: string,
  got: number,
  other: string,
  wanted: number,
): void {
  if (got === wanted) return;
  throw new InvalidArgumentError(op, argument, `of ${wanted} ${what}, as ${other}`, `${got}`);
}

function toShape4(op: string, shape: readonly number[]): Shape4 {
  if (shape.length > 4) {
    throw new InvalidArgumentError(op, 'mask', 'of rank ≤ 4', `shape [${shape}]`);
  }
  const [b = 1, h = 1, queries = 1, keys = 1] = [...new Array(4 - shape.length).fill(1), ...shape];
  return [b, h, queries, keys];
}

function checkMask(op: string, mask: Shape4, { b, h, queries, keys }: AttentionSizes): void {
  const full = [b, h, queries, keys];
  if (mask.every((length, axis) => length === 1 || length === full[axis])) return;
  const wanted = `of a shape that broadcasts to [${full}] (samples, heads, queries, keys)`;
  throw new InvalidArgumentError(op, 'mask', wanted, `[${mask}]`);
}

function maskStrides([b, h, queries, keys]: Shape4): Shape4 {
  const stride = (length: number, step: number) => (length === 1 ? 0 : step);
  return [
    stride(b, h * queries * keys),
    stride(h, queries * keys),
    stride(queries, keys),
    stride(keys, 1),
  ];
}

/** A layout without samples or heads is for one of them. */
function checkOutput(op: string, layout: string, { b, h }: AttentionSizes): void {
  for (const [letter, length] of Object.entries({ b, h })) {
    if (length === 1 || layout.includes(letter)) continue;
    const wanted = `one with "${letter}", of which there are ${length}`;
    throw new InvalidArgumentError(op, 'the layout of the output', wanted, `"${layout}"`);
  }
}
