import { expect } from 'chai';
import type { FakeQuantReference } from '../../../ops/fakeQuant/reference.js';
import { EPS } from './compare.js';

/**
 * Codes must equal the reference's, except where float32 rounding can tip a tie: of an element's
 * quotient, or, for codes at an end of their range, of the zero point. Then they may be one off.
 */
export function expectCodes(y: Float32Array, exact: FakeQuantReference): void {
  let ties = 0;
  y.forEach((value, i) => {
    const expected = exact.values[i]!;
    // scale and product rounded once each, the naive float32 error; twice that is allowed
    const bound = 2 * 2 * EPS * Math.abs(expected);
    if (Math.abs(value - expected) <= bound) return;
    const what = `element ${i}: ${value}, expected ${expected}`;
    const byZeroPoint = exact.clamped[i]! && isNearTie(exact.zeroPoints[i]!);
    if (!byZeroPoint) {
      expect(isNearTie(exact.quotients[i]!), `${what}; quotient ${exact.quotients[i]} near a tie`)
        .to.be.true;
      ties++;
    }
    expect(Math.abs(value - expected), what).to.be.at.most(exact.scale[i]! * (1 + 1e-6) + bound);
  });
  expect(ties, 'codes that fell on the other side of a tie').to.be.at.most(1 + y.length / 1000);
}

/** Within the error of the three or four float32 roundings that lead to it. */
function isNearTie(v: number): boolean {
  const fromTie = Math.abs(Math.abs(v - Math.trunc(v)) - 0.5);
  return fromTie <= 4 * EPS * Math.max(1, Math.abs(v));
}
