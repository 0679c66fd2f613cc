import { expect } from 'chai';
import fc from 'fast-check';
import {
  crc32,
  PACKING_VERSION,
  packCodes,
  packedBytes,
  planesOf,
  unpackCodes,
} from '../../../ops/numerics/packing.js';
import { uniform } from '../../harness/numbers/random.js';

const WIDTHS = [2, 3, 4, 5, 6, 7, 8];
const SHAPES = [
  [1, 1],
  [3, 7],
  [4, 8],
  [5, 9],
  [8, 16],
  [13, 3],
  [2, 40],
  [37, 19],
] as const;

/**
 * The file format, by hand: a matrix [5, 3], so two blocks, and what their bytes are. Codes plus
 * 2^(b−1) are u; number 4c + k of a block is row k, column c. What is padded is a code of 0.
 */
const MATRIX = [
  ...[0, 1, -1],
  ...[1, -2, 0],
  ...[-2, -1, 1],
  ...[-1, 0, -2],
  ...[1, 1, 0], // the second block
];
const LAYOUTS: Readonly<Record<number, readonly [string, string]>> = {
  // u: 2 3 0 1 | 3 0 1 2 | 1 2 3 0 | 2 2 2 2 …; byte j has numbers j, j + 8, j + 16 and j + 24, two
  // bits each
  2: ['a6 ab ac a1 ab a8 a9 aa', 'ab aa aa aa ab aa aa aa'],
  // u: 4 5 2 3 | 5 2 3 4 | 3 4 5 2 | 4 …: two bits as above, where 0 is 0 now; then one bit, 8
  // numbers to a byte… at a stride of 4
  3: ['0c 01 06 0b 01 02 03 00 fb fd fc fa', '01 00 00 00 01 00 00 00 ff ff ff ff'],
  // u: 8 9 6 7 | 9 6 7 8 | 7 8 9 6 | 8 …; byte j has numbers j and j + 16
  4: [
    '88 89 86 87 89 86 87 88 87 88 89 86 88 88 88 88',
    '89 88 88 88 89 88 88 88 88 88 88 88 88 88 88 88',
  ],
  // u mod 16 as at 4 bits with 0 for 8; then the fifth bit: u ≥ 16
  5: [
    '00 01 0e 0f 01 0e 0f 00 0f 00 01 0e 00 00 00 00 fb fd fc fa',
    '01 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 ff ff ff ff',
  ],
  8: [
    `80 81 7e 7f 81 7e 7f 80 7f 80 81 7e${' 80'.repeat(20)}`,
    `81 80 80 80 81${' 80'.repeat(27)}`,
  ],
};

/** The code at [row, column], from the definition of the format, a bit at a time. */
function codeAt(packed: Uint8Array, d: number, bits: number, row: number, column: number): number {
  const block = Math.floor(column / 8) * Math.ceil(d / 4) + Math.floor(row / 4);
  const number = 4 * (column % 8) + (row % 4);
  let u = 0;
  let done = 0;
  for (const width of planesOf(bits)) {
    const byte = packed[block * 4 * bits + 4 * done + (number % (4 * width))]!;
    const slot = Math.floor(number / (4 * width));
    u += (Math.floor(byte / 2 ** (slot * width)) % 2 ** width) << done;
    done += width;
  }
  return u - 2 ** (bits - 1);
}

describe('Packing of codes', () => {
  it('the format is version 2', () => {
    expect(PACKING_VERSION).to.equal(2);
  });

  for (const [bits, blocks] of Object.entries(LAYOUTS)) {
    it(`${bits} bits: fifteen codes lie where the format has them`, () => {
      const bytes = blocks.flatMap((block) =>
        block.split(' ').map((hex) => Number.parseInt(hex, 16)),
      );
      expect([...packCodes(Int8Array.from(MATRIX), 5, 3, Number(bits))]).to.deep.equal(bytes);
      expect(unpacked(Uint8Array.from(bytes), 5, 3, Number(bits))).to.deep.equal(MATRIX);
    });
  }

  for (const bits of WIDTHS) {
    it(`${bits} bits: 4 bytes a bit for each block of 4 rows and 8 columns`, () => {
      expect(planesOf(bits).reduce((sum, width) => sum + width, 0)).to.equal(bits);
      for (const [d, n] of SHAPES) {
        const blocks = Math.ceil(d / 4) * Math.ceil(n / 8);
        expect(packedBytes(d, n, bits), `${d} × ${n}`).to.equal(4 * bits * blocks);
        expect(packCodes(new Int8Array(d * n), d, n, bits)).to.have.lengthOf(4 * bits * blocks);
      }
    });

    it(`${bits} bits: codes of any shape lie where they belong, padded by 0, and come back`, () => {
      for (const [d, n] of SHAPES) {
        const codes = randomCodes(d * n, bits, d + n);
        const packed = packCodes(Int8Array.from(codes), d, n, bits);
        for (let row = 0; row < 4 * Math.ceil(d / 4); row++) {
          for (let column = 0; column < 8 * Math.ceil(n / 8); column++) {
            const expected = row < d && column < n ? codes[row * n + column] : 0;
            expect(codeAt(packed, d, bits, row, column), `[${row}, ${column}]`).to.equal(expected);
          }
        }
        expect(unpacked(packed, d, n, bits)).to.deep.equal(codes);
      }
    });

    it(`${bits} bits: every code there is comes back`, () => {
      const half = 2 ** (bits - 1);
      const all = Array.from({ length: 2 * half }, (_, i) => i - half);
      const packed = packCodes(Int8Array.from(all), half, 2, bits);
      expect(unpacked(packed, half, 2, bits)).to.deep.equal(all);
    });

    it(`${bits} bits: every run of rows comes out alone`, () => {
      const [d, n] = [11, 5];
      const codes = randomCodes(d * n, bits, bits);
      const packed = packCodes(Int8Array.from(codes), d, n, bits);
      for (let begin = 0; begin <= d; begin++) {
        for (let end = begin; end <= d; end++) {
          // what follows the rows in the buffer must stay as it was
          const out = new Int8Array((end - begin) * n + 1).fill(99);
          unpackCodes(packed, d, n, bits, begin, end, out);
          expect([...out]).to.deep.equal([...codes.slice(begin * n, end * n), 99]);
        }
      }
    });
  }

  it('packing and unpacking are inverse for random widths, shapes, codes and rows', () => {
    const sizes = fc.tuple(fc.integer({ min: 2, max: 8 }), fc.nat(20), fc.nat(20));
    const cases = sizes.chain(([bits, d, n]) =>
      fc.tuple(
        fc.constant([bits, d, n] as const),
        fc.array(fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 }), {
          minLength: d * n,
          maxLength: d * n,
        }),
        fc.nat(d),
        fc.nat(d),
      ),
    );
    fc.assert(
      fc.property(cases, ([[bits, d, n], codes, one, other]) => {
        const [begin, end] = [Math.min(one, other), Math.max(one, other)];
        const packed = packCodes(Int8Array.from(codes), d, n, bits);
        const out = new Int8Array((end - begin) * n);
        unpackCodes(packed, d, n, bits, begin, end, out);
        expect([...out]).to.deep.equal(codes.slice(begin * n, end * n));
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
    const start = JSON.stringify(text.slice(0, 12));
    it(`of ${start} is the published 0x${expected.toString(16)}`, () => {
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

function randomCodes(count: number, bits: number, seed: number): number[] {
  const next = uniform(seed);
  return Array.from({ length: count }, () => Math.floor((next() - 0.5) * 2 ** bits));
}

function unpacked(packed: Uint8Array, d: number, n: number, bits: number): number[] {
  const out = new Int8Array(d * n);
  unpackCodes(packed, d, n, bits, 0, d, out);
  return [...out];
}
