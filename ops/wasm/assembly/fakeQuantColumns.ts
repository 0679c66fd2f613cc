// FakeQuant where neighbours are in different groups: x is [outer, length, inner], a group is one column of `groupSize` rows.
import { nearestValue } from './fakeQuant';
import { Quantizer, quantizerFor } from './rows';

/** What the kernel needs; ops/fakeQuant/wasm.ts writes it, 4 bytes a field. */
@unmanaged
export class FakeQuantColumnsArgs {
  x: usize;
  y: usize;
  length: u32;
  inner: u32;
  groupSize: u32; // rows; the last group of `length` may be shorter
  ranges: usize; // f32 [groups, 2], low and high ends that hold 0 between them; 0: each group's own
  qMin: f32;
  qMax: f32;
  symmetric: i32;
}

/** Columns of an item: a cache line. */
const COLUMNS: u32 = 16;

/** Scratch: scale, low and high of 16 columns, 64 bytes each; then a Quantizer. */
const LOW: usize = 64;
const HIGH: usize = 128;
const QUANTIZER: usize = 192;

/** Blocks of 16 columns begin … end, group after group. Scratch: 256 bytes. */
export function fakeQuantColumns(at: usize, scratch: usize, begin: u32, end: u32): void {
  const args = changetype<FakeQuantColumnsArgs>(at);
  const inner = args.inner;
  const blocks = (inner + COLUMNS - 1) / COLUMNS;
  const perMatrix = (args.length + args.groupSize - 1) / args.groupSize;
  const stride = <usize>inner << 2;
  for (let item = begin; item < end; item++) {
    const group = item / blocks;
    const first = (item - group * blocks) * COLUMNS;
    const matrix = group / perMatrix;
    const top = (group - matrix * perMatrix) * args.groupSize;
    const rows = min(args.groupSize, args.length - top);
    const count = min(COLUMNS, inner - first);
    const offset = <usize>((matrix * args.length + top) * inner + first) << 2;
    if (args.ranges === 0) {
      rangesOf(args.x + offset, stride, rows, count, scratch);
    } else {
      givenRanges(args.ranges + (<usize>(group * inner + first) << 3), count, scratch);
    }
    quantizers(args, count, scratch);
    quantizeColumns(args.x + offset, args.y + offset, stride, rows, count, scratch);
  }
}

function givenRanges(ranges: usize, count: u32, scratch: usize): void {
  for (let c: usize = 0; c < count; c++) {
    store<f32>(scratch + LOW + (c << 2), load<f32>(ranges + (c << 3)));
    store<f32>(scratch + HIGH + (c << 2), load<f32>(ranges + (c << 3), 4));
  }
}

/** The range of each column, 0 included; NaN where it has a NaN or Inf. */
function rangesOf(x: usize, stride: usize, rows: u32, count: u32, scratch: usize): void {
  if (count === COLUMNS) return rangesOf16(x, stride, rows, scratch);
  for (let c: usize = 0; c < count; c++) {
    let low: f32 = 0;
    let high: f32 = 0;
    let poison: f32 = 0;
    let at = x + (c << 2);
    for (let r = rows; r > 0; r--, at += stride) {
      const v = load<f32>(at);
      if (v < low) low = v;
      if (v > high) high = v;
      poison += v - v;
    }
    store<f32>(scratch + LOW + (c << 2), low + poison);
    store<f32>(scratch + HIGH + (c << 2), high + poison);
  }
}

function rangesOf16(x: usize, stride: usize, rows: u32, scratch: usize): void {
  let low0 = f32x4.splat(0);
  let low1 = low0;
  let low2 = low0;
  let low3 = low0;
  let high0 = low0;
  let high1 = low0;
  let high2 = low0;
  let high3 = low0;
  let poison0 = low0;
  let poison1 = low0;
  let poison2 = low0;
  let poison3 = low0;
  for (let r = rows; r > 0; r--, x += stride) {
    let v = v128.load(x);
    low0 = f32x4.pmin(low0, v);
    high0 = f32x4.pmax(high0, v);
    poison0 = f32x4.add(poison0, f32x4.sub(v, v));
    v = v128.load(x, 16);
    low1 = f32x4.pmin(low1, v);
    high1 = f32x4.pmax(high1, v);
    poison1 = f32x4.add(poison1, f32x4.sub(v, v));
    v = v128.load(x, 32);
    low2 = f32x4.pmin(low2, v);
    high2 = f32x4.pmax(high2, v);
    poison2 = f32x4.add(poison2, f32x4.sub(v, v));
    v = v128.load(x, 48);
    low3 = f32x4.pmin(low3, v);
    high3 = f32x4.pmax(high3, v);
    poison3 = f32x4.add(poison3, f32x4.sub(v, v));
  }
  storeRange(scratch, low0, high0, poison0);
  storeRange(scratch + 16, low1, high1, poison1);
  storeRange(scratch + 32, low2, high2, poison2);
  storeRange(scratch + 48, low3, high3, poison3);
}

// @ts-ignore: decorator
@inline
function storeRange(to: usize, low: v128, high: v128, poison: v128): void {
  v128.store(to, f32x4.add(low, poison), LOW);
  v128.store(to, f32x4.add(high, poison), HIGH);
}

/** Ranges → scales and bounds of the codes, in place. */
function quantizers(args: FakeQuantColumnsArgs, count: u32, scratch: usize): void {
  const q = changetype<Quantizer>(scratch + QUANTIZER);
  for (let c: usize = 0; c < count; c++) {
    const at = scratch + (c << 2);
    q.low = load<f32>(at, LOW);
    q.high = load<f32>(at, HIGH);
    quantizerFor(q, args.qMin, args.qMax, args.symmetric !== 0);
    store<f32>(at, q.scale);
    store<f32>(at, q.low, LOW);
    store<f32>(at, q.high, HIGH);
  }
}

function quantizeColumns(
  x: usize,
  y: usize,
  stride: usize,
  rows: u32,
  count: u32,
  scratch: usize,
): void {
  let c: usize = 0;
  for (; c + 4 <= count; c += 4) {
    const at = scratch + (c << 2);
    const scale = v128.load(at);
    const low = v128.load(at, LOW);
    const high = v128.load(at, HIGH);
    for (let r: usize = 0, o = c << 2; r < rows; r++, o += stride) {
      v128.store(y + o, nearestValue(v128.load(x + o), scale, low, high));
    }
  }
  for (; c < count; c++) {
    const at = scratch + (c << 2);
    const scale = v128.load32_zero(at);
    const low = v128.load32_zero(at, LOW);
    const high = v128.load32_zero(at, HIGH);
    for (let r: usize = 0, o = c << 2; r < rows; r++, o += stride) {
      v128.store32_lane(y + o, nearestValue(v128.load32_zero(x + o), scale, low, high), 0);
    }
  }
}
