import {
  concat,
  matMul,
  slice,
  sub,
  type Tensor2D,
  tensor2d,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import { factorUpper, fetched } from './matrix.js';
import { emptyTriangle, type Range, rowOf, type Triangle } from './triangle.js';

/** Columns that are factored before those in front of them are looked at. */
const PANEL = 256;

/** Columns of U, of the rows up to their last, on the backend. */
interface Panel {
  readonly at: Range;
  readonly columns: Tensor2D;
}

/**
 * M of H + λI = (M + I) D (M + I)ᵀ, strictly upper triangular. Null where the matrix is not
 * positive definite to float32 precision.
 *
 * As `factorUpper`, but left-looking (Golub & Van Loan, §4.2.8, mirrored): a panel is made of H and
 * of the panels behind it by the backend's products, all in float32, and read once. Diagonal blocks
 * are factored and inverted on the host, in float64.
 *
 * @param rowsOf Rows of H [d, d], which is symmetric, whole; made when it is their turn.
 */
export function unitFactorOf(
  d: number,
  rowsOf: (rows: Range) => Tensor2D,
  added: number,
): Triangle | null {
  const unit = emptyTriangle(d);
  const panels: Panel[] = [];
  try {
    for (let to = d; to > 0; to -= PANEL) {
      const at = { from: Math.max(to - PANEL, 0), to };
      const left = tidy(() => leftOf(rowsOf(at), panels, at));
      try {
        const panel = panelOf(left, at, added, unit);
        if (panel === null) return null;
        panels.push(panel);
      } finally {
        left.dispose();
      }
    }
    return unit;
  } finally {
    for (const { columns } of panels) columns.dispose();
  }
}

/** What is left of H's columns, [to, width], behind the panels that are done. */
function leftOf(rows: Tensor2D, behind: readonly Panel[], { from, to }: Range): Tensor2D {
  const width = to - from;
  return behind.reduce(
    (rest, { columns, at }) =>
      tidy(() => {
        const depth = at.to - at.from;
        const above = slice(columns, [0, 0], [to, depth]);
        // transposed apart: tfjs's transposed product is scalar on WASM
        const own = transpose(slice(columns, [from, 0], [width, depth]));
        return sub(rest, matMul(above, own)) as Tensor2D;
      }),
    transpose(slice(rows, [0, 0], [width, to])) as Tensor2D,
  );
}

/** The next panel; its columns over their diagonal go into `unit`. */
function panelOf(left: Tensor2D, at: Range, added: number, unit: Triangle): Panel | null {
  const { from } = at;
  const width = at.to - from;
  const read = fetched('gptq', () => slice(left, [from, 0], [width, width]));
  const block = Float64Array.from(read);
  for (let i = 0; i < width; i++) block[i * width + i] = block[i * width + i]! + added;
  if (!factorUpper(block, width)) return null;
  const columns = tidy(() => withFactor(left, block, from, width));
  takeUnit(
    unit,
    fetched('gptq', () => columns.clone()),
    block,
    at,
  );
  return { at, columns };
}

/** U of a panel: U_block on the diagonal, and above it what is left times U_block⁻ᵀ. */
function withFactor(left: Tensor2D, block: Float64Array, from: number, width: number): Tensor2D {
  const own = new Float32Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = i; j < width; j++) own[i * width + j] = block[i * width + j]!;
  }
  const diagonal = tensor2d(own, [width, width]);
  if (from === 0) return diagonal;
  const inverse = tensor2d(transposedInverse(block, width), [width, width]);
  const above = matMul(slice(left, [0, 0], [from, width]), inverse);
  return concat([above as Tensor2D, diagonal], 0);
}

/** U⁻ᵀ of an upper triangular U [n, n], lower triangular. */
function transposedInverse(u: Float64Array, n: number): Float32Array {
  const out = new Float64Array(n * n);
  // row j of the transposed inverse is column j of the inverse: back substitution
  for (let j = 0; j < n; j++) {
    const row = j * n;
    out[row + j] = 1 / u[row + j]!;
    for (let i = j - 1; i >= 0; i--) {
      out[row + i] = -dot(u, i * n + i + 1, out, row + i + 1, j - i) / u[i * n + i]!;
    }
  }
  return Float32Array.from(out);
}

/** Σ a b over `length` elements, in four sums that do not wait for each other. */
function dot(a: Float64Array, aAt: number, b: Float64Array, bAt: number, length: number): number {
  let [p, q, r, s] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    p += a[aAt + i]! * b[bAt + i]!;
    q += a[aAt + i + 1]! * b[bAt + i + 1]!;
    r += a[aAt + i + 2]! * b[bAt + i + 2]!;
    s += a[aAt + i + 3]! * b[bAt + i + 3]!;
  }
  for (; i < length; i++) p += a[aAt + i]! * b[bAt + i]!;
  return p + q + (r + s);
}

function takeUnit(
  { d, values }: Triangle,
  columns: Float32Array,
  block: Float64Array,
  { from, to }: Range,
): void {
  const width = to - from;
  const inverse = Float64Array.from({ length: width }, (_, j) => 1 / block[j * width + j]!);
  for (let i = 0; i < to; i++) {
    const at = rowOf(d, i) + from;
    for (let j = Math.max(i - from + 1, 0); j < width; j++) {
      values[at + j] = columns[i * width + j]! * inverse[j]!;
    }
  }
}
