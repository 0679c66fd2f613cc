import { expect } from 'chai';
import fc from 'fast-check';
import {
  crc32,
  PACKING_VERSION,
  packCodes,
  packedBytes,
  planesOf,
  unpackCodes,
} from '../../ops/common/packing.js';
import { uniform } from '../harness/random.js';

const WIDTHS = [2, 3, 4, 5, 6, 7, 8];
const LENGTHS = [1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000];

/**
 * The file format, by hand: ten codes, the least and the largest among them, and their bytes. The codes plus 2^(b−1)
 * are u; a plane of p bits has L = ⌈10 p / 8⌉ bytes, and its byte j holds the codes j, j + L, j + 2L, …, lowest bits
 * first.
 */
const LAYOUTS: Readonly<Record<number, { codes: number[]; bytes: number[] }>> = {
  // u = 0 1 2 3 0 1 2 3 3 0; L = 3: byte 0 has codes 0, 3, 6, 9
  2: {
    codes: [-2, -1, 0, 1, -2, -1, 0, 1, 1, -2],
    bytes: [0b00_10_11_00, 0b11_00_01, 0b11_01_10],
  },
  // u = 0 1 2 3 4 5 6 7 7 0; u mod 4 = 0 1 2 3 0 1 2 3 3 0 as above; u div 4 = 0 0 0 0 1 1 1 1 1 0, L = 2
  3: {
    codes: [-4, -3, -2, -1, 0, 1, 2, 3, 3, -4],
    bytes: [0b00_10_11_00, 0b11_00_01, 0b11_01_10, 0b1_1_1_0_0, 0b0_1_1_0_0],
  },
  // u = 0 15 2 3 4 5 6 7 8 9; L = 5: byte 0 has codes 0 and 5
  4: { codes: [-8, 7, -6, -5, -4, -3, -2, -1, 0, 1], bytes: [0x50, 0x6f, 0x72, 0x83, 0x94] },
  // u = 0 31 2 3 4 5 6 7 24 9; u mod 16 = 0 15 2 3 4 5 6 7 8 9; u div 16 = 0 1 0 0 0 0 0 0 1 0
  5: {
    codes: [-16, 15, -14, -13, -12, -11, -10, -9, 8, -7],
    bytes: [0x50, 0x6f, 0x72, 0x83, 0x94, 0b1_0_0_0_0, 0b0_0_0_0_1],
  },
  // u mod 16 as above; u div 16 = 0 1 2 3 0 1 2 3 3 0 as at 2 bits
  6: {
    codes: [-32, -1, 2, 19, -28, -11, 6, 23, 24, -23],
    bytes: [0x50, 0x6f, 0x72, 0x83, 0x94, 0b00_10_11_00, 0b11_00_01, 0b11_01_10],
  },
  // u mod 64 as above, u div 64 = 1 for all but the first and the last
  7: {
    codes: [-64, 31, 34, 51, 4, 21, 38, 55, 56, -55],
    bytes: [
      0x50, 0x6f, 0x72, 0x83, 0x94, 0b00_10_11_00, 0b11_00_01, 0b11_01_10, 0b1_1_1_1_0, 0b0_1_1_1_1,
    ],
  },
  8: {
    codes: [-128, 127, 0, -1, 1, 2, 3, 4, 5, 6],
    bytes: [0, 255, 128, 127, 129, 130, 131, 132, 133, 134],
  },
};

describe('Packing of codes', () => {
  it('the format is version 1', () => {
    expect(PACKING_VERSION).to.equal(1);
  });

  for (const bits of WIDTHS) {
    it(`${bits} bits: ten codes lie where the format has them`, () => {
      const { codes, bytes } = LAYOUTS[bits]!;
      expect([...packCodes(Int8Array.from(codes), bits)]).to.deep.equal(bytes);
      expect(unpacked(Uint8Array.from(bytes), 10, bits)).to.deep.equal(codes);
    });

    it(`${bits} bits: as many bytes as its planes have`, () => {
      expect(planesOf(bits).reduce((sum, width) => sum + width, 0)).to.equal(bits);
      for (const count of [0, ...LENGTHS]) {
        const planes = planesOf(bits).map((width) => Math.ceil((count * width) / 8));
        const total = planes.reduce((sum, bytes) => sum + bytes, 0);
        expect(packedBytes(count, bits), `${count} codes`).to.equal(total);
        expect(packCodes(new Int8Array(count), bits)).to.have.lengthOf(total);
        // no more than a byte a plane is lost
        expect(total - (count * bits) / 8).to.be.within(0, planes.length);
      }
    });

    it(`${bits} bits: codes of any number come back, every code among them`, () => {
      for (const count of LENGTHS) {
        const next = uniform(count);
        const codes = Array.from({ length: count }, () => Math.floor((next() - 0.5) * 2 ** bits));
        expect(unpacked(packCodes(Int8Array.from(codes), bits), count, bits)).to.deep.equal(codes);
      }
      const half = 2 ** (bits - 1);
      const all = Array.from({ length: 2 * half }, (_, i) => i - half);
      expect(unpacked(packCodes(Int8Array.from(all), bits), 2 * half, bits)).to.deep.equal(all);
    });

    it(`${bits} bits: every part of 37 codes comes out alone`, () => {
      const next = uniform(bits);
      const codes = Array.from({ length: 37 }, () => Math.floor((next() - 0.5) * 2 ** bits));
      const packed = packCodes(Int8Array.from(codes), bits);
      for (let begin = 0; begin <= 37; begin++) {
        for (let end = begin; end <= 37; end++) {
          // what follows the part in the buffer must stay as it was
          const out = new Int8Array(end - begin + 1).fill(99);
          unpackCodes(packed, 37, bits, begin, end, out);
          expect([...out]).to.deep.equal([...codes.slice(begin, end), 99]);
        }
      }
    });
  }

  it('packing and unpacking are inverse for random widths, codes and parts', () => {
    const cases = fc.tuple(fc.integer({ min: 2, max: 8 }), fc.nat(300)).chain(([bits, count]) =>
      fc.tuple(
        fc.constant(bits),
        fc.array(fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 }), {
          minLength: count,
          maxLength: count,
        }),
        fc.nat(count),
        fc.nat(count),
      ),
    );
    fc.assert(
      fc.property(cases, ([bits, codes, one, other]) => {
        const [begin, end] = [Math.min(one, other), Math.max(one, other)];
        const packed = packCodes(Int8Array.from(codes), bits);
        const out = new Int8Array(end - begin);
        unpackCodes(packed, codes.length, bits, begin, end, out);
        expect([...out]).to.deep.equal(codes.slice(begin, end));
      }),
    );
  });
});

describe('crc32', () => {
  const VECTORS: readonly [string, number][] = [
    ['', 0],
    ['a', 0xe8b7be43],
    ['123456789', 0xcbf43926],
    ['The quick brown fox jumps over the lazy dog', 0x414fa339],
    ['\0'.repeat(32), 0x190a55ad],
    ['\xff'.repeat(32), 0xff6cab0b],
  ];
  for (const [text, expected] of VECTORS) {
    it(`of ${JSON.stringify(text.slice(0, 12))} is the published 0x${expected.toString(16)}`, () => {
      const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
      // signed, as an attribute of 32 bits holds it
      expect(crc32(bytes)).to.equal(expected | 0);
    });
  }

  it('a change of any single bit changes it', () => {
    const bytes = Uint8Array.from({ length: 40 }, (_, i) => 7 * i);
    const seen = new Set([crc32(bytes)]);
    for (let bit = 0; bit < 320; bit++) {
      const altered = bytes.slice();
      altered[bit >> 3]! ^= 1 << (bit & 7);
      seen.add(crc32(altered));
    }
    expect(seen.size).to.equal(321);
  });
});

function unpacked(packed: Uint8Array, count: number, bits: number): number[] {
  const out = new Int8Array(count);
  unpackCodes(packed, count, bits, 0, count, out);
  return [...out];
}
