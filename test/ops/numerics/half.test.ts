import { expect } from 'chai';
import fc from 'fast-check';
import {
  fromHalfBits,
  halfBitsOf,
  MAX_HALF,
  MIN_NORMAL_HALF,
  roundToHalf,
  toHalfBits,
} from '../../../ops/numerics/half.js';

/** The value of 16 bits by the standard: sign, 5 bits of exponent, 10 of fraction. */
const HALVES = Array.from({ length: 65536 }, (_, bits) => {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  const sign = bits >> 15 === 1 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
});

/** Finite positive halves in order, then what follows the largest: there is infinity. */
const LADDER = [...HALVES.slice(0, 0x7c00), 65536];

describe('Half precision', () => {
  it('all 65536 bit patterns stand for what the standard says', () => {
    const wrong = HALVES.flatMap((value, bits) =>
      Object.is(fromHalfBits(bits), value) ? [] : [bits],
    );
    expect(wrong).to.deep.equal([]);
  });

  it('all halves but NaN give their bits again, −0 too', () => {
    const wrong = HALVES.flatMap((value, bits) =>
      Number.isNaN(value) || toHalfBits(value) === bits ? [] : [bits],
    );
    expect(wrong).to.deep.equal([]);
    expect(toHalfBits(Number.NaN)).to.equal(0x7e00);
  });

  it('all 65536 bit patterns survive a float32 array, each NaN with its payload', () => {
    // as tfjs decodes them: a half's NaN becomes a float's NaN by its bits
    const floats = new Uint32Array(HALVES.length);
    HALVES.forEach((value, bits) => {
      const nan = (((bits & 0x8000) << 16) | 0x7f800000 | ((bits & 1023) << 13)) >>> 0;
      floats[bits] = Number.isNaN(value) ? nan : floatBits(value);
    });
    const wrong: number[] = [];
    halfBitsOf(new Float32Array(floats.buffer)).forEach((bits, i) => {
      if (bits !== i) wrong.push(i);
    });
    expect(wrong).to.deep.equal([]);
  });

  it('a NaN whose payload no half has stays a NaN', () => {
    const floats = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001).buffer);
    expect([...halfBitsOf(floats)]).to.deep.equal([0x7e00, 0xfe00]);
  });

  it('the middle between two neighbours goes to the even one, all else to the nearer one', () => {
    const wrong: string[] = [];
    for (let i = 0; i + 1 < LADDER.length; i++) {
      const [low, high] = [LADDER[i]!, LADDER[i + 1]!];
      const middle = (low + high) / 2;
      const even = i % 2 === 0 ? i : i + 1;
      const off = (high - low) * 2 ** -20;
      for (const [value, bits] of [
        [middle, even],
        [middle - off, i],
        [middle + off, i + 1],
      ] as const) {
        if (toHalfBits(value) !== bits) wrong.push(`${value}`);
        if (toHalfBits(-value) !== (bits | 0x8000)) wrong.push(`${-value}`);
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it('a float64 is rounded once, not by way of float32', () => {
    // one tie away from 1 + 2^−11 that float32 cannot see
    expect(toHalfBits(1 + 2 ** -11 + 2 ** -40)).to.equal(0x3c01);
    expect(toHalfBits(1 + 2 ** -11)).to.equal(0x3c00);
  });

  it('subnormals go down to 2^−24, half of that is a tie with 0', () => {
    expect(toHalfBits(2 ** -24)).to.equal(1);
    expect(toHalfBits(2 ** -25)).to.equal(0);
    expect(toHalfBits(-(2 ** -25))).to.equal(0x8000);
    expect(toHalfBits(2 ** -25 * 1.001)).to.equal(1);
    expect(toHalfBits(1e-300)).to.equal(0);
    expect(fromHalfBits(toHalfBits(MIN_NORMAL_HALF))).to.equal(2 ** -14);
  });

  it('from 65520 on there is infinity', () => {
    expect(fromHalfBits(toHalfBits(MAX_HALF))).to.equal(65504);
    expect(toHalfBits(65519.99)).to.equal(0x7bff);
    expect(toHalfBits(65520)).to.equal(0x7c00);
    expect(toHalfBits(-1e30)).to.equal(0xfc00);
  });

  it('any double goes to the nearest half, as a search finds it', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.double({ noNaN: true }), fc.double({ min: -70000, max: 70000, noNaN: true })),
        (value) => {
          const magnitude = Math.abs(value);
          let low = 0;
          while (low + 1 < LADDER.length && LADDER[low + 1]! <= magnitude) low++;
          const below = magnitude - LADDER[low]!;
          const above = (LADDER[low + 1] ?? Number.POSITIVE_INFINITY) - magnitude;
          const up = above < below || (above === below && low % 2 === 1);
          const bits = Math.min(low + (up ? 1 : 0), 0x7c00);
          expect(toHalfBits(value) & 0x7fff).to.equal(bits);
          expect(toHalfBits(value) >> 15).to.equal(value < 0 || Object.is(value, -0) ? 1 : 0);
        },
      ),
    );
  });

  it('roundToHalf is idempotent and off by 2^−11 at most where halves are normal', () => {
    const finite = fc.float({ noNaN: true, min: -65504, max: 65504 });
    fc.assert(
      fc.property(fc.array(finite), (values) => {
        const once = roundToHalf(values);
        expect(roundToHalf(once)).to.deep.equal(once);
        once.forEach((v, i) => {
          const bound = Math.max(Math.abs(values[i]!), 2 ** -14) * 2 ** -11;
          expect(Math.abs(v - values[i]!)).to.be.at.most(bound);
        });
      }),
    );
  });
});

function floatBits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}
