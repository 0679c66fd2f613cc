import { matmulTransposed } from './matrix.js';

/** The upper triangle of a matrix [d, d], its diagonal too, row by row. */
export interface Triangle {
  readonly d: number;
  readonly values: Float32Array;
}

export function emptyTriangle(d: number): Triangle {
  return { d, values: new Float32Array((d * (d + 1)) / 2) };
}

/** Where a row's entries are: that of column j ≥ i is at `rowOf(d, i) + j`. */
export function rowOf(d: number, i: number): number {
  return i * d - (i * (i + 1)) / 2;
}

/** Rows or columns from `from` to `to`, without the last. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The entries of some rows and columns, [rows, columns]; zeros below the diagonal. */
export function blockOf({ d, values }: Triangle, rows: Range, columns: Range): Float32Array {
  const width = columns.to - columns.from;
  const out = new Float32Array((rows.to - rows.from) * width);
  for (let i = rows.from; i < rows.to; i++) {
    const at = rowOf(d, i);
    const first = Math.max(columns.from, i);
    if (first >= columns.to) break;
    const to = (i - rows.from) * width + first - columns.from;
    out.set(values.subarray(at + first, at + columns.to), to);
  }
  return out;
}

/** y += Mᵀ x for the block of M of some rows and columns; x: [rows, n], y: [columns, n]. */
export function addThrough(
  y: Float32Array,
  m: Triangle,
  rows: Range,
  columns: Range,
  x: Float32Array,
  n: number,
): void {
  const [k, count] = [rows.to - rows.from, columns.to - columns.from];
  if (k === 0 || count === 0) return;
  const made = matmulTransposed(blockOf(m, rows, columns), x, k, count, n);
  for (let i = 0; i < made.length; i++) y[i] = y[i]! + made[i]!;
}

/** Rows that `sweep` takes in one step: those behind them get their part by one product. */
const STEP = 32;

/** Rows whose part goes to others of a step together. */
const STRIP = 4;

/**
 * Goes over the rows of y from the first to the last: `row` gives what each passes on, [n], and the
 * rows behind it get their part of that, y_j += M[i, j] x_i.
 *
 * @param first The row of M that is y's first.
 * @param x Takes what the rows pass on, [rows, n].
 */
export function sweep(
  y: Float32Array,
  m: Triangle,
  first: number,
  rows: number,
  n: number,
  x: Float32Array,
  row: (i: number) => void,
): void {
  for (let from = 0; from < rows; from += STEP) {
    const to = Math.min(from + STEP, rows);
    const range = { from: first + from, to: first + to };
    sweepStep(y, blockOf(m, range, range), from, to, n, x, row);
    const behind = { from: first + to, to: first + rows };
    addThrough(y.subarray(to * n, rows * n), m, range, behind, x.subarray(from * n, to * n), n);
  }
}

function sweepStep(
  y: Float32Array,
  block: Float32Array,
  from: number,
  to: number,
  n: number,
  x: Float32Array,
  row: (i: number) => void,
): void {
  const width = to - from;
  for (let start = from; start < to; start += STRIP) {
    const end = Math.min(start + STRIP, to);
    for (let i = start; i < end; i++) {
      row(i);
      for (let later = i + 1; later < end; later++) {
        const factor = block[(i - from) * width + later - from]!;
        for (let c = 0; c < n; c++) y[later * n + c]! += factor * x[i * n + c]!;
      }
    }
    const strip = { x, start, end, n };
    const factorsOf = (later: number) =>
      FOUR.map((i) => (start + i < end ? block[(start + i - from) * width + later - from]! : 0));
    let later = end;
    for (; later + 1 < to; later += 2) {
      addStripToTwo(y, later * n, factorsOf(later), factorsOf(later + 1), strip);
    }
    if (later < to) addStrip(y, later * n, factorsOf(later), strip);
  }
}

const FOUR = [0, 1, 2, 3] as const;

/** Up to four rows of x, [rows, n]. */
interface Strip {
  readonly x: Float32Array;
  readonly start: number;
  readonly end: number;
  readonly n: number;
}

/** Where the strip's rows begin; those past the last have the factor 0, and are read within x. */
function startsOf({ start, end, n }: Strip): number[] {
  return FOUR.map((i) => Math.min(start + i, end - 1) * n);
}

/** y += Σ factors · x_i, in one pass over a row of y. */
function addStrip(y: Float32Array, at: number, factors: readonly number[], strip: Strip): void {
  const { x, n } = strip;
  const [a, b, c, d] = factors;
  const [first, second, third, fourth] = startsOf(strip);
  for (let i = 0; i < n; i++) {
    y[at + i] =
      y[at + i]! +
      (a! * x[first! + i]! + b! * x[second! + i]! + c! * x[third! + i]! + d! * x[fourth! + i]!);
  }
}

/** The same for a row of y and the next: what is read of x serves both. */
function addStripToTwo(
  y: Float32Array,
  at: number,
  factors: readonly number[],
  nextFactors: readonly number[],
  strip: Strip,
): void {
  const { x, n } = strip;
  const [a, b, c, d] = factors;
  const [e, f, g, h] = nextFactors;
  const [first, second, third, fourth] = startsOf(strip);
  const next = at + n;
  for (let i = 0; i < n; i++) {
    const p = x[first! + i]!;
    const q = x[second! + i]!;
    const r = x[third! + i]!;
    const s = x[fourth! + i]!;
    y[at + i] = y[at + i]! + (a! * p + b! * q + c! * r + d! * s);
    y[next + i] = y[next + i]! + (e! * p + f! * q + g! * r + h! * s);
  }
}
