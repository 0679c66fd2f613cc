import { expect } from 'chai';

/**
 * One bit per sign, so that a whole matrix can be checked exactly: dot = n − 2 · popcount(a xor b).
 */
export function packSigns(signs: Int8Array): Uint32Array {
  const bits = new Uint32Array(Math.ceil(signs.length / 32));
  signs.forEach((sign, i) => {
    if (sign !== 1 && sign !== -1) expect.fail(`entry ${sign}`);
    if (sign < 0) bits[i >> 5] = bits[i >> 5]! | (1 << (i & 31));
  });
  return bits;
}

/** Rows are orthogonal, each n entries of ±1. */
export function expectOrthogonal(rows: readonly Uint32Array[], n: number): void {
  let wrong = 0;
  for (let i = 0; i < rows.length; i++) {
    for (let j = i; j < rows.length; j++) {
      if (dot(rows[i]!, rows[j]!, n) !== (i === j ? n : 0)) wrong++;
    }
  }
  expect(wrong, 'pairs of rows that are not orthonormal').to.equal(0);
}

function dot(a: Uint32Array, b: Uint32Array, n: number): number {
  let different = 0;
  for (let w = 0; w < a.length; w++) {
    let v = a[w]! ^ b[w]!;
    v -= (v >>> 1) & 0x55555555;
    v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
    different += Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return n - 2 * different;
}
