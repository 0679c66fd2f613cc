// softmax(scale · q kᵀ + mask) v, a block of queries against a block of keys at a time
// (FlashAttention, arXiv 2205.14135): scores never leave the cache, and neither their number nor
// that of the heads takes memory.
import { packKeys, packQueries, packValues } from './attentionPack';
import { mixTile, scoreTile } from './attentionTiles';
import { expNegative4 } from './math';
import {
  Attention, AttentionWork, KEYS, MR, placeAttentionWork, QUERIES, SCORE_ROW_BYTES,
} from './records';

/** items: blocks of 16 queries of every head of every sample. `at`: an Attention. */
export function attention(at: usize, scratch: usize, begin: i32, end: i32): void {
  const a = changetype<Attention>(at);
  const work = placeAttentionWork(scratch, a);
  let packed = -1;
  for (let item = begin; item < end; item++) {
    const head = item / a.blocks;
    const b = head / a.heads;
    const h = head - b * a.heads;
    if (head !== packed) {
      const k = a.k + <usize>(b * a.kSample + h * a.kHead);
      const v = a.v + <usize>(b * a.vSample + h * a.vHead);
      packKeys(k, a.kToken, a.keys, a.channels, work.keys);
      packValues(v, a.vToken, a.keys, a.valueChannels, work.values);
      packed = head;
    }
    queryBlock(a, work, b, h, (item - head * a.blocks) * QUERIES);
  }
}

function queryBlock(a: Attention, work: AttentionWork, b: i32, h: i32, first: i32): void {
  const count = min(QUERIES, a.queries - first);
  const q = a.q + <usize>(b * a.qSample + h * a.qHead + first * a.qToken);
  packQueries(q, a.qToken, count, a.channels, a.scale, work.queries);
  reset(a, work);
  for (let start = 0; start < a.keys; start += KEYS) {
    const keys = min(KEYS, a.keys - start);
    scoreBlock(a, work, count, start, keys);
    if (a.mask !== 0) {
      const mask = a.mask + <usize>(b * a.maskSample + h * a.maskHead);
      addMask(a, work, mask + <usize>(first * a.maskQuery + start * a.maskKey), count, keys);
    }
    for (let i = 0; i < count; i++) weigh(a, work, i, start, keys);
    mixBlock(a, work, count, start, keys);
  }
  const out = a.out + <usize>(b * a.outSample + h * a.outHead + first * a.outToken);
  for (let i = 0; i < count; i++) finish(a, work, i, out + <usize>(i * a.outToken));
}

function reset(a: Attention, work: AttentionWork): void {
  for (let at = work.sums; at < work.largest; at += 16) v128.store(at, f32x4.splat(0));
  for (let i: usize = 0; i < <usize>QUERIES; i++) {
    f32.store(work.largest + (i << 2), -Infinity);
    f32.store(work.totals + (i << 2), 0);
  }
}

function scoreBlock(a: Attention, work: AttentionWork, count: i32, start: i32, keys: i32): void {
  const panelBytes = <usize>a.channels << 5;
  const tileBytes = <usize>a.channels << 4;
  let panel = work.keys + <usize>(start >> 3) * panelBytes;
  for (let key = 0; key < keys; key += 8, panel += panelBytes) {
    let to = work.scores + (<usize>key << 2);
    let tile = work.queries;
    for (let i = 0; i < count; i += MR, tile += tileBytes, to += <usize>MR * SCORE_ROW_BYTES) {
      scoreTile(tile, panel, a.channels, to);
    }
  }
}

function addMask(a: Attention, work: AttentionWork, mask: usize, count: i32, keys: i32): void {
  const bytes = <usize>keys << 2;
  for (let i = 0; i < count; i++, mask += a.maskQuery) {
    const row = work.scores + <usize>i * SCORE_ROW_BYTES;
    let at: usize = 0;
    if (a.maskKey === 0) {
      const same = v128.load32_splat(mask);
      // what is beyond the last key is scratch
      for (; at < bytes; at += 16) v128.store(row + at, f32x4.add(v128.load(row + at), same));
      continue;
    }
    for (; at + 16 <= bytes; at += 16) {
      v128.store(row + at, f32x4.add(v128.load(row + at), v128.load(mask + at)));
    }
    for (; at < bytes; at += 4) f32.store(row + at, f32.load(row + at) + f32.load(mask + at));
  }
}

/**
 * Scores of a query → exp(score − the largest so far); what was summed before is rescaled to it.
 */
function weigh(a: Attention, work: AttentionWork, query: i32, start: i32, keys: i32): void {
  const row = work.scores + <usize>query * SCORE_ROW_BYTES;
  const end = row + (<usize>((keys + 3) & ~3) << 2);
  for (let at = row + (<usize>keys << 2); at < end; at += 4) f32.store(at, -Infinity);
  const largestAt = work.largest + (<usize>query << 2);
  const before = f32.load(largestAt);
  // pmax leaves NaN out: it comes back in the exponential, whatever is taken off
  let largest = f32x4.splat(before);
  for (let at = row; at < end; at += 16) largest = f32x4.pmax(largest, v128.load(at));
  const now = max(
    max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
  f32.store(largestAt, now);
  // where all scores are −∞ their weights are 0: −∞ − −∞ would be NaN, and a later block may have
  // better ones
  const base = f32x4.splat(now === -Infinity ? 0 : now);
  let sum = f32x4.splat(0);
  for (let at = row; at < end; at += 16) {
    const weight = expNegative4(f32x4.sub(v128.load(at), base));
    v128.store(at, weight);
    sum = f32x4.add(sum, weight);
  }
  const total =
    f32x4.extract_lane(sum, 0) +
    f32x4.extract_lane(sum, 1) +
    (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3));
  const totals = work.totals + (<usize>query << 2);
  if (start === 0) return f32.store(totals, total);
  const factor = expNegative4(f32x4.sub(f32x4.splat(before), base));
  f32.store(totals, f32.load(totals) * f32x4.extract_lane(factor, 0) + total);
  if (before !== now) rescale(work, query, factor);
}

function rescale(work: AttentionWork, query: i32, factor: v128): void {
  for (let at = work.sums + (<usize>query << 5); at < work.largest; at += <usize>QUERIES << 5) {
    v128.store(at, f32x4.mul(v128.load(at), factor));
    v128.store(at, f32x4.mul(v128.load(at, 16), factor), 16);
  }
}

function mixBlock(a: Attention, work: AttentionWork, count: i32, start: i32, keys: i32): void {
  let panel = work.values + (<usize>start << 5);
  for (let sums = work.sums; sums < work.largest; sums += <usize>QUERIES << 5) {
    let weights = work.scores;
    for (let i = 0; i < count; i += MR, weights += <usize>MR * SCORE_ROW_BYTES) {
      mixTile(weights, panel, keys, sums + (<usize>i << 5));
    }
    panel += <usize>a.keys << 5;
  }
}

/** out = sums / total. */
function finish(a: Attention, work: AttentionWork, query: i32, out: usize): void {
  const total = v128.load32_splat(work.totals + (<usize>query << 2));
  let from = work.sums + (<usize>query << 5);
  const end = out + (<usize>a.valueChannels << 2);
  for (; out < end; out += 32, from += <usize>QUERIES << 5) {
    const low = f32x4.div(v128.load(from), total);
    const high = f32x4.div(v128.load(from, 16), total);
    if (out + 32 <= end) {
      v128.store(out, low);
      v128.store(out, high, 16);
      continue;
    }
    v128.store(from, low); // the sums of this query are done with
    v128.store(from, high, 16);
    for (let i: usize = 0; out + i < end; i += 4) f32.store(out + i, f32.load(from + i));
  }
}
