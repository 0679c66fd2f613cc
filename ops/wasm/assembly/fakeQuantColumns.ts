// FakeQuant where neighbours are in different groups: x is [outer, length, inner], a group is one
// column of `groupSize` rows.
import { nearestValue, rangeAt } from './fakeQuant';
import {
  COLUMN_SCRATCH_BITS as BITS, COLUMN_SCRATCH_HIGH as HIGH, COLUMN_SCRATCH_LOW as LOW,
  COLUMN_SCRATCH_QUANTIZER as QUANTIZER, COLUMNS, FakeQuantColumns, Quantizer, WIDTH,
} from './records';
import { quantizerFor } from './rows';

/** Twice the bits of infinity, its sign dropped: those of a finite number are less. */
const TWICE_INFINITE: u32 = 0xff000000;

/** Blocks of 16 columns begin … end, group after group. Scratch: a ColumnScratch. */
export function fakeQuantColumns(at: usize, scratch: usize, begin: u32, end: u32): void {
  const args = changetype<FakeQuantColumns>(at);
  const inner = args.inner;
  const blocks = (inner + COLUMNS - 1) / COLUMNS;
  const perMatrix = (args.length + args.groupSize - 1) / args.groupSize;
  const stride = <usize>inner << 2;
  for (let item = begin; item < end; ) {
    const group = item / blocks;
    const block = item - group * blocks;
    const taken = min(min(blocks - block, end - item), WIDTH / COLUMNS);
    const first = block * COLUMNS;
    const count = min(taken * COLUMNS, inner - first);
    const matrix = group / perMatrix;
    const top = (group - matrix * perMatrix) * args.groupSize;
    const rows = min(args.groupSize, args.length - top);
    const offset = <usize>((matrix * args.length + top) * inner + first) << 2;
    if (args.ranges === 0) {
      rangesOf(args.x + offset, stride, rows, count, scratch);
    } else {
      const given = changetype<usize>(rangeAt(args.ranges, group * inner + first));
      givenRanges(given, count, scratch);
    }
    quantizers(args, count, scratch);
    for (let r: u32 = 0, row = offset; r < rows; r++, row += stride) {
      quantizeRow(args.x + row, args.y + row, count, scratch);
    }
    item += taken;
  }
}

function givenRanges(ranges: usize, count: u32, scratch: usize): void {
  for (let c: usize = 0; c < count; c++) {
    const at = scratch + (c << 2);
    store<f32>(at, rangeAt(ranges, <u32>c).low, LOW);
    store<f32>(at, rangeAt(ranges, <u32>c).high, HIGH);
    store<u32>(at, 0, BITS);
  }
}

/** The least and the greatest of each column and 0, and twice the bits of the largest magnitude. */
function rangesOf(x: usize, stride: usize, rows: u32, count: u32, scratch: usize): void {
  memory.fill(scratch + LOW, 0, QUANTIZER - LOW);
  let r: u32 = 0;
  for (; r + 4 <= rows; r += 4, x += stride << 2) widenBy4(x, stride, count, scratch);
  for (; r < rows; r++, x += stride) widenBy1(x, count, scratch);
}

/** Four rows at a time: what is known of a column is loaded and stored once. */
function widenBy4(x: usize, stride: usize, count: u32, scratch: usize): void {
  const x1 = x + stride;
  const x2 = x1 + stride;
  const x3 = x2 + stride;
  let o: usize = 0;
  for (const end = <usize>(count & ~3) << 2; o < end; o += 16) {
    const at = scratch + o;
    const a = v128.load(x + o);
    const b = v128.load(x1 + o);
    const c = v128.load(x2 + o);
    const d = v128.load(x3 + o);
    const low = f32x4.pmin(f32x4.pmin(v128.load(at, LOW), a), b);
    const high = f32x4.pmax(f32x4.pmax(v128.load(at, HIGH), a), b);
    v128.store(at, f32x4.pmin(f32x4.pmin(low, c), d), LOW);
    v128.store(at, f32x4.pmax(f32x4.pmax(high, c), d), HIGH);
    const ab = i32x4.max_u(i32x4.shl(a, 1), i32x4.shl(b, 1));
    const cd = i32x4.max_u(i32x4.shl(c, 1), i32x4.shl(d, 1));
    v128.store(at, i32x4.max_u(v128.load(at, BITS), i32x4.max_u(ab, cd)), BITS);
  }
  for (const end = <usize>count << 2; o < end; o += 4) {
    widenColumn(scratch + o, load<f32>(x + o));
    widenColumn(scratch + o, load<f32>(x1 + o));
    widenColumn(scratch + o, load<f32>(x2 + o));
    widenColumn(scratch + o, load<f32>(x3 + o));
  }
}

function widenBy1(x: usize, count: u32, scratch: usize): void {
  let o: usize = 0;
  for (const end = <usize>(count & ~3) << 2; o < end; o += 16) {
    const at = scratch + o;
    const a = v128.load(x + o);
    v128.store(at, f32x4.pmin(v128.load(at, LOW), a), LOW);
    v128.store(at, f32x4.pmax(v128.load(at, HIGH), a), HIGH);
    v128.store(at, i32x4.max_u(v128.load(at, BITS), i32x4.shl(a, 1)), BITS);
  }
  for (const end = <usize>count << 2; o < end; o += 4) widenColumn(scratch + o, load<f32>(x + o));
}

function widenColumn(at: usize, v: f32): void {
  if (v < load<f32>(at, LOW)) store<f32>(at, v, LOW);
  if (v > load<f32>(at, HIGH)) store<f32>(at, v, HIGH);
  const bits = reinterpret<u32>(v) << 1;
  if (bits > load<u32>(at, BITS)) store<u32>(at, bits, BITS);
}

/** Ranges → scales and bounds of the codes, in place; all NaN where a column has a NaN or Inf. */
function quantizers(args: FakeQuantColumns, count: u32, scratch: usize): void {
  const q = changetype<Quantizer>(scratch + QUANTIZER);
  for (let c: usize = 0; c < count; c++) {
    const at = scratch + (c << 2);
    const finite = load<u32>(at, BITS) < TWICE_INFINITE;
    q.low = finite ? load<f32>(at, LOW) : NaN;
    q.high = finite ? load<f32>(at, HIGH) : NaN;
    quantizerFor(q, args.qMin, args.qMax, args.symmetric !== 0);
    store<f32>(at, q.scale);
    store<f32>(at, q.low, LOW);
    store<f32>(at, q.high, HIGH);
  }
}

function quantizeRow(x: usize, y: usize, count: u32, scratch: usize): void {
  let o: usize = 0;
  for (const end = <usize>(count & ~3) << 2; o < end; o += 16) {
    const at = scratch + o;
    const scale = v128.load(at);
    const low = v128.load(at, LOW);
    const high = v128.load(at, HIGH);
    v128.store(y + o, nearestValue(v128.load(x + o), scale, low, high));
  }
  for (const end = <usize>count << 2; o < end; o += 4) {
    const at = scratch + o;
    const scale = v128.load32_zero(at);
    const low = v128.load32_zero(at, LOW);
    const high = v128.load32_zero(at, HIGH);
    v128.store32_lane(y + o, nearestValue(v128.load32_zero(x + o), scale, low, high), 0);
  }
}
