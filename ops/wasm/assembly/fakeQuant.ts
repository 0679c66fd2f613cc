// FakeQuant: y = scale · clamp(round(x / scale), low, high), in the float32 steps of
// ops/numerics/formats.ts.
//
// x is [outer, length, inner], cut into groups along the middle axis; see QuantizationLayout. Where
// inner is 1, or a group is one index of the middle axis, groups are made of runs of neighbours
// ("runs"); else neighbours are in different groups ("columns").
import { FakeQuantRuns, GroupRange, GROUP_RANGE_BYTES, Quantizer } from './records';
import { quantizerFor, rangeOf } from './rows';

/** Runs begin … end. Scratch: a Quantizer. */
export function fakeQuantRuns(at: usize, scratch: usize, begin: u32, end: u32): void {
  const args = changetype<FakeQuantRuns>(at);
  const q = changetype<Quantizer>(scratch);
  const perRow = (args.length + args.run - 1) / args.run;
  for (let r = begin; r < end; r++) {
    const row = r / perRow;
    const start = (r - row * perRow) * args.run;
    const count = min(args.run, args.length - start);
    const offset = <usize>(row * args.length + start) << 2;
    if (args.ranges === 0) {
      rangeOf(args.x + offset, count, q);
    } else {
      const range = rangeAt(args.ranges, r % args.numGroups);
      q.low = range.low;
      q.high = range.high;
    }
    quantizerFor(q, args.qMin, args.qMax, args.symmetric !== 0);
    quantizeRun(args.x + offset, args.y + offset, count, q);
  }
}

/**
 * ranges[run] = the range of each run, for groups of several runs. Runs begin … end. Scratch: a
 * Quantizer.
 */
export function runRanges(at: usize, ranges: usize, scratch: usize, begin: u32, end: u32): void {
  const args = changetype<FakeQuantRuns>(at);
  const q = changetype<Quantizer>(scratch);
  const perRow = (args.length + args.run - 1) / args.run;
  for (let r = begin; r < end; r++) {
    const row = r / perRow;
    const start = (r - row * perRow) * args.run;
    const count = min(args.run, args.length - start);
    rangeOf(args.x + (<usize>(row * args.length + start) << 2), count, q);
    const to = rangeAt(ranges, r);
    to.low = q.low;
    to.high = q.high;
  }
}

/**
 * merged[g] = the range of runs g, g + numGroups, … of `runs`, NaN where one of them is. Groups
 * begin … end.
 */
export function mergeRanges(
  ranges: usize,
  merged: usize,
  runs: u32,
  numGroups: u32,
  scratch: usize,
  begin: u32,
  end: u32,
): void {
  for (let g = begin; g < end; g++) {
    let low: f32 = 0;
    let high: f32 = 0;
    for (let r = g; r < runs; r += numGroups) {
      low = min(low, rangeAt(ranges, r).low);
      high = max(high, rangeAt(ranges, r).high);
    }
    rangeAt(merged, g).low = low;
    rangeAt(merged, g).high = high;
  }
}

/** The i-th of an array. */
@inline
export function rangeAt(ranges: usize, i: u32): GroupRange {
  return changetype<GroupRange>(ranges + <usize>i * GROUP_RANGE_BYTES);
}

function quantizeRun(x: usize, y: usize, count: u32, q: Quantizer): void {
  const scale = f32x4.splat(q.scale);
  const low = f32x4.splat(q.low);
  const high = f32x4.splat(q.high);
  const end = x + (<usize>count << 2);
  for (; x + 32 <= end; x += 32, y += 32) {
    v128.store(y, nearestValue(v128.load(x), scale, low, high));
    v128.store(y, nearestValue(v128.load(x, 16), scale, low, high), 16);
  }
  for (; x < end; x += 4, y += 4) {
    v128.store32_lane(y, nearestValue(v128.load32_zero(x), scale, low, high), 0);
  }
}

/**
 * scale · clamp(round(v / scale), low, high). Clamping first gives the same code, since the bounds
 * are integers. pmin and pmax pass on a NaN that comes first; where the range is NaN, so is the
 * scale.
 */
// @ts-ignore: decorator
@inline
export function nearestValue(v: v128, scale: v128, low: v128, high: v128): v128 {
  const clamped = f32x4.pmin(f32x4.pmax(f32x4.div(v, scale), low), high);
  return f32x4.mul(f32x4.nearest(clamped), scale);
}
