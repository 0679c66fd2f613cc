import { expect } from 'chai';
import { packCodes } from '../../../ops/numerics/packing.js';
import {
  BLOCK,
  HEADER,
  weightBytes,
  withSegments,
} from '../../../ops/quantizedMatMul/webglWeights.js';
import { byteOffset, texelGrid } from '../../../ops/webgl/texelGrid.js';
import { UnsupportedDeviceError } from '../../../src/index.js';
import { channelGroups, weightFormat } from '../../harness/numbers/formats.js';
import { randomWeights } from '../../harness/webgl/webglProduct.js';

/** Attributes of a product of weights by 8-bit codes. */
function attrsOf(d: number, n: number, bits: number, groupSize: number, xGroupSize: number) {
  const format = weightFormat(bits, Math.min(groupSize, d));
  const xFormat = channelGroups(8, false, Math.min(xGroupSize, d));
  return withSegments({ format, xFormat, d, n, activation: 'none' }, format);
}

describe('Segments of the WebGL product', () => {
  it('lie within a group of W and of x, hold whole blocks where groups do, and cover d', () => {
    for (const bits of [4, 8]) {
      for (const [d, groupSize, xGroupSize] of [
        [1152, 64, 1152],
        [1152, 64, 64],
        [1152, 1152, 1152],
        [4608, 128, 96],
        [60, 12, 10],
        [13, 5, 1],
        [1150, 4000, 4000],
        [1, 1, 1],
        [15360, 514, 15360],
      ] as const) {
        const { count, rows, blocks } = attrsOf(d, 8, bits, groupSize, xGroupSize).segments;
        const what = `${d}, groups of ${groupSize} and ${xGroupSize}, ${bits} bits`;
        expect((count - 1) * rows < d && count * rows >= d, what).to.equal(true);
        expect(rows, what).to.be.at.most(bits === 4 ? 64 : 256);
        expect(blocks).to.equal(Math.ceil(rows / BLOCK));
        for (const size of [groupSize, xGroupSize]) {
          if (size < d) expect(size % rows, what).to.equal(0);
        }
        if (groupSize % 4 === 0 && xGroupSize % 4 === 0) expect(rows % BLOCK, what).to.equal(0);
      }
    }
  });
});

describe('Weights as bytes of a texture', () => {
  for (const bits of [2, 3, 4, 5, 8]) {
    for (const maxSize of [4096, 41]) {
      it(`hold every code, sum and scale at ${bits} bits, in textures of ${maxSize}`, () => {
        const [d, n, groupSize] = [21, 7, 8];
        const attrs = attrsOf(d, n, bits, groupSize, d);
        const { codes, scale } = randomWeights(d, n, bits, groupSize);
        const { count, rows, blocks } = attrs.segments;
        const perBlock = bits <= 4 ? 1 : 2;
        const sizes = [Math.ceil(n / 2), count, HEADER + blocks * perBlock] as const;
        const grid = texelGrid('test', 'weights', sizes, maxSize);
        expect(Math.max(grid.width, grid.height)).to.be.at.most(maxSize);
        const bytes = weightBytes(packCodes(codes, d, n, bits), scale, attrs, grid);
        const view = new DataView(bytes.buffer);
        for (let column = 0; column < n; column++) {
          const [pair, second] = [column >> 1, column & 1];
          for (let segment = 0; segment < count; segment++) {
            const at = byteOffset(grid, pair, segment);
            let sum = 0;
            for (let k = segment * rows; k < Math.min(d, (segment + 1) * rows); k++) {
              const [block, row] = [(k - segment * rows) >> 2, (k - segment * rows) & 3];
              const texel = at + 4 * (HEADER + block * perBlock);
              const byte = bytes[texel + row + (perBlock === 2 ? 4 * second : 0)]!;
              const code = perBlock === 2 ? byte - 128 : ((byte >> (4 * second)) & 15) - 8;
              expect(code, `row ${k}, column ${column}`).to.equal(codes[k * n + column]);
              sum += code;
            }
            expect(view.getUint16(at + 2 * second, true) - 2 ** 15).to.equal(sum);
            const group = Math.floor((segment * rows) / groupSize);
            const step = view.getFloat32(at + 4 + 4 * second, true);
            expect(step).to.equal(scale[group * n + column]);
          }
        }
      });
    }
  }

  it('that fit no texture are a typed error that says the way out', () => {
    expect(() => texelGrid('QuantizedMatMul', 'x [65, 64]', [65, 64, 1], 64)).to.throw(
      UnsupportedDeviceError,
      'QuantizedMatMul: the device must have room for 4160 × 1 texels in a texture, ' +
        'for x [65, 64], it has textures of at most 64 × 64. Use smaller batches',
    );
  });
});
