import {
  add,
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
import { emptyTriangle, rowOf, type Triangle } from './triangle.js';

/** Columns that are factored before those in front of them are looked at. */
const PANEL = 256;

/** The columns [start, end) of U, rows up to `end`, on the backend. */
interface Panel {
  readonly start: number;
  readonly end: number;
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
 * @param h Symmetric [d, d]; the upper triangle is read.
 */
export function unitFactorOf(h: Tensor2D, added: number): Triangle | null {
  const d = h.shape[0];
  const unit = emptyTriangle(d);
  const panels: Panel[] = [];
  try {
    for (let end = d; end > 0; end -= PANEL) {
      const panel = panelOf(h, panels, Math.max(end - PANEL, 0), end, added, unit);
      if (panel === null) return null;
      panels.push(panel);
    }
    return unit;
  } finally {
    for (const { columns } of panels) columns.dispose();
  }
}

/** The next panel; its columns over their diagonal go into `unit`. */
function panelOf(
  h: Tensor2D,
  behind: readonly Panel[],
  start: number,
  end: number,
  added: number,
  unit: Triangle,
): Panel | null {
  const width = end - start;
  const left = tidy(() =>
    behind.reduce(
      (rest, { columns, end: last, start: first }) => {
        const above = slice(columns, [0, 0], [end, last - first]);
        const own = transpose(slice(columns, [start, 0], [width, last - first]));
        return sub(rest, matMul(above, own)) as Tensor2D;
      },
      slice(h, [0, start], [end, width]) as Tensor2D,
    ),
  );
  try {
    const block = Float64Array.from(fetched('gptq', () => slice(left, [start, 0], [width, width])));
    for (let i = 0; i < width; i++) block[i * width + i] = block[i * width + i]! + added;
    if (!factorUpper(block, width)) return null;
    const columns = tidy(() => withFactor(left, block, start, width));
    takeUnit(
      unit,
      fetched('gptq', () => add(columns, 0)),
      block,
      start,
      width,
    );
    return { start, end, columns };
  } finally {
    left.dispose();
  }
}

/** U of a panel: U_block on the diagonal, and above it what is left times U_block⁻ᵀ. */
function withFactor(left: Tensor2D, block: Float64Array, start: number, width: number): Tensor2D {
  const own = new Float32Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = i; j < width; j++) own[i * width + j] = block[i * width + j]!;
  }
  const diagonal = tensor2d(own, [width, width]);
  if (start === 0) return diagonal;
  const inverse = tensor2d(transposedInverse(block, width), [width, width]);
  const above = matMul(slice(left, [0, 0], [start, width]), inverse);
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
      let sum = 0;
      for (let k = i + 1; k <= j; k++) sum += u[i * n + k]! * out[row + k]!;
      out[row + i] = -sum / u[i * n + i]!;
    }
  }
  return Float32Array.from(out);
}

function takeUnit(
  { d, values }: Triangle,
  columns: Float32Array,
  block: Float64Array,
  start: number,
  width: number,
): void {
  const inverse = Float64Array.from({ length: width }, (_, j) => 1 / block[j * width + j]!);
  for (let i = 0; i < start + width; i++) {
    const [from, to] = [i * width, rowOf(d, i) + start];
    for (let j = Math.max(i - start + 1, 0); j < width; j++) {
      values[to + j] = columns[from + j]! * inverse[j]!;
    }
  }
}
