// A product's epilogue: accumulators to results.
import { finishTiles } from './gemmAlong';
import { gelu4, geluTanh4, silu4 } from './math';
import {
  ACTIVATION_GELU as GELU, ACTIVATION_GELU_TANH as GELU_TANH, ACTIVATION_NONE as NONE,
  ACTIVATION_RELU as RELU, ACTIVATION_SILU as SILU, NR, Panel, Product,
} from './records';

/** out = activation(scale · accumulator + the sample's row). */
export function storePanel(panel: Panel, product: Product, column: i32): void {
  const direct = product.activation === NONE && product.n - column >= NR;
  const stored = product.along === 0 ? 0 : finishTiles(panel, product, column, direct);
  // a branch per panel, not per token
  if (product.activation === GELU) storeRows(panel, product, column, stored, GELU);
  else if (product.activation === GELU_TANH) storeRows(panel, product, column, stored, GELU_TANH);
  else if (product.activation === SILU) storeRows(panel, product, column, stored, SILU);
  else if (product.activation === RELU) storeRows(panel, product, column, stored, RELU);
  else storeRows(panel, product, column, stored, NONE);
}

/** Tokens from `first` on. */
@inline
function storeRows(
  panel: Panel, product: Product, column: i32, first: i32, activation: i32,
): void {
  const count = min(NR, product.n - column);
  const scales = product.tokenScale;
  const finished = product.along !== 0;
  const stride = <usize>product.n << 2;
  let sampleOf = product.sampleOf + (<usize>first << 2);
  let from = panel.accumulators + (<usize>first << 5);
  let out = product.out + <usize>first * stride + (<usize>column << 2);
  const end = panel.accumulators + (<usize>product.tokens << 5);
  for (let at = <usize>first << 2; from < end; at += 4, from += 32, out += stride, sampleOf += 4) {
    let a = v128.load(from);
    let b = v128.load(from, 16);
    if (!finished) {
      if (scales !== 0) {
        const scale = v128.load32_splat(scales + at);
        a = f32x4.mul(a, scale);
        b = f32x4.mul(b, scale);
      }
      const row = panel.rows + (<usize>i32.load(sampleOf) << 5);
      a = f32x4.add(a, v128.load(row));
      b = f32x4.add(b, v128.load(row, 16));
    }
    a = activate(a, activation);
    b = activate(b, activation);
    if (count === NR) {
      v128.store(out, a);
      v128.store(out, b, 16);
      // for the next panel
      v128.store(from, i32x4.splat(0));
      v128.store(from, i32x4.splat(0), 16);
    } else {
      v128.store(from, a); // the accumulators of this row are done with
      v128.store(from, b, 16);
      for (let i: usize = 0; i < <usize>count; i++) {
        f32.store(out + (i << 2), f32.load(from + (i << 2)));
      }
    }
  }
}

@inline
function activate(x: v128, activation: i32): v128 {
  if (activation === GELU) return gelu4(x);
  if (activation === GELU_TANH) return geluTanh4(x);
  if (activation === SILU) return silu4(x);
  if (activation === RELU) return f32x4.max(x, f32x4.splat(0));
  return x;
}
