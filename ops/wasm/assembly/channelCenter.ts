// ChannelCenter's second half; `columnMeans` (rows.ts) is the first.
import { centerRow } from './rows';

/**
 * out = (x − mean) / scale for tokens begin … end of x [samples · tokens, d]. means: [samples, d];
 * scale: [d], or 0.
 */
export function centerRows(
  x: usize,
  out: usize,
  means: usize,
  scale: usize,
  tokens: i32,
  d: i32,
  scratch: usize,
  begin: i32,
  end: i32,
): void {
  for (let token = begin; token < end; token++) {
    const at = <usize>(token * d) << 2;
    const mean = means + (<usize>((token / tokens) * d) << 2);
    centerRow(x + at, out + at, mean, scale, d);
  }
}
