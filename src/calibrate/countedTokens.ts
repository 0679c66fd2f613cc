import { type TypedArray, tidy } from '@tensorflow/tfjs-core';
import { fetchValues, valuesOf } from '../../ops/common/alive.js';
import { toTokenMask } from '../../ops/common/tokenMask.js';
import { HadaNormError } from '../../ops/numerics/errors.js';
import type { Site } from '../recognize/sites.js';
import type { Tapped } from './tap.js';

/** The tokens of a tensor that count. */
export interface CountedTokens {
  readonly values: Float32Array; // [Σ counts, d], sample after sample
  /** How many each sample has. */
  readonly counts: readonly number[];
}

/**
 * Leaves out the tokens of a site that its mask hides.
 * @throws HadaNormError where the tensor is not [..., tokens, d]; InvalidArgumentError for a mask
 * that does not fit it.
 */
export function countedTokens(site: Site, tapped: Tapped): CountedTokens {
  const tokens = tokenShape(OP, site, tapped).at(-1)!;
  const values = valuesOf<'float32'>(OP, tapped.x);
  return split(values, tokensThatCount(OP, site, tapped), tokens, site.d);
}

/** The same where values are to be waited for. */
export async function countedTokensLater(site: Site, tapped: Tapped): Promise<CountedTokens> {
  const tokens = tokenShape(OP, site, tapped).at(-1)!;
  const values = await fetchValues<'float32'>(OP, tapped.x);
  return split(values, await tokensThatCountLater(OP, site, tapped), tokens, site.d);
}

const OP = 'calibrate';

function split(
  values: Float32Array,
  counted: TypedArray | null,
  tokens: number,
  d: number,
): CountedTokens {
  const counts = new Array<number>(values.length / (tokens * d)).fill(tokens);
  if (counted === null) return { values, counts };
  counts.fill(0);
  counted.forEach((value, row) => {
    const sample = Math.floor(row / tokens);
    if (value !== 0) counts[sample] = counts[sample]! + 1;
  });
  return { values: countedRows(values, counted), counts };
}

/** For each token of a site whether it counts, 0 for one that does not; null where all do. */
export function tokensThatCount(op: string, site: Site, tapped: Tapped): TypedArray | null {
  const { mask } = tapped;
  if (mask === null) return null;
  const shape = [...tokenShape(op, site, tapped), site.d];
  return unlessAll(tidy(() => valuesOf<'float32'>(op, toTokenMask(op, mask, shape))));
}

/** The same where values are to be waited for. */
export async function tokensThatCountLater(
  op: string,
  site: Site,
  tapped: Tapped,
): Promise<TypedArray | null> {
  const { mask } = tapped;
  if (mask === null) return null;
  const shape = [...tokenShape(op, site, tapped), site.d];
  const counted = tidy(() => toTokenMask(op, mask, shape));
  try {
    return unlessAll(await fetchValues<'float32'>(op, counted));
  } finally {
    // one that fits comes back as it is
    if (counted !== mask) counted.dispose();
  }
}

function unlessAll(counted: TypedArray): TypedArray | null {
  return counted.every((value) => value !== 0) ? null : counted;
}

/** The rows that count, of as many as there are tokens. */
export function countedRows(values: TypedArray, counted: TypedArray): Float32Array {
  const width = values.length / counted.length;
  const kept = new Float32Array(values.length);
  let at = 0;
  counted.forEach((value, row) => {
    if (value === 0) return;
    kept.set(values.subarray(row * width, (row + 1) * width), at);
    at += width;
  });
  return kept.subarray(0, at);
}

/** [samples..., tokens]; of a tensor without tokens each row is a sample. */
function tokenShape(op: string, site: Site, { x, like }: Tapped): number[] {
  if (site.tokens === 'none') return [x.size / site.d, 1];
  const [shape, axes] = like === null ? [x.shape, site.axes] : [like.shape, site.likeAxes];
  const tokens = shape[shape.length - axes - 1];
  if (tokens !== undefined && tokens > 0 && x.size % (tokens * site.d) === 0) {
    return shape.slice(0, -axes);
  }
  const got = `the tensor ${JSON.stringify(site.source)} has the shape [${x.shape}]`;
  throw new HadaNormError(op, `${got}, not [..., tokens, ${site.d}].`);
}
