import '@tensorflow/tfjs-backend-cpu';
import { expect } from 'chai';
import fc from 'fast-check';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import { roundToHalf } from '../../../ops/numerics/half.js';
import { affine, half, halfScales } from '../../../src/graph/encodings.js';
import { encodeWeight, type WeightSpec, weightsFromData } from '../../../src/graph/weights.js';
import { ScaleSearch } from '../../../src/quantize/scaleSearch.js';
import {
  dequantized,
  type QuantizedWeights,
  quantizeNearest,
} from '../../../src/quantize/uniform.js';
import { weightQuantizer } from '../../harness/numbers/formats.js';
import { normal } from '../../harness/numbers/random.js';

const BITS = [2, 3, 4, 5, 6, 7, 8];

describe('Weights to the nearest code', () => {
  for (const bits of BITS) {
    it(`${bits} bits: a search is never worse than the largest magnitude, column by column`, () => {
      const weights = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), {
        minLength: 1,
        maxLength: 40,
      });
      fc.assert(
        fc.property(weights, fc.integer({ min: 1, max: 12 }), (values, groupSize) => {
          const w = Float32Array.from(values);
          const d = w.length;
          const [searched, plain] = (['search', 'none'] as const).map((clipping) =>
            quantizeNearest(w, d, 1, weightQuantizer(bits, groupSize, clipping)),
          );
          for (let start = 0; start < d; start += groupSize) {
            const end = Math.min(start + groupSize, d);
            // the search's own sums are rounded too
            const bound = errorOf(w, plain!, start, end) * (1 + 1e-12);
            expect(errorOf(w, searched!, start, end)).to.be.at.most(bound);
          }
        }),
      );
    });

    it(`${bits} bits: a search is clearly better on normal weights`, () => {
      const w = normal(64 * 40, bits);
      const [searched, plain] = (['search', 'none'] as const).map((clipping) =>
        total(w, quantizeNearest(w, 64, 40, weightQuantizer(bits, 64, clipping))),
      );
      // measured from 2 bits to 8: 0.25, 0.49, 0.70, 0.80, 0.87, 0.91, 0.93
      expect(searched! / plain!).to.be.below([0.3, 0.55, 0.75, 0.85, 0.91, 0.94, 0.96][bits - 2]!);
    });

    it(`${bits} bits: without a search the largest magnitude is the largest code`, () => {
      const w = normal(30 * 7, bits);
      const max = 2 ** (bits - 1) - 1;
      const { codes, scale } = quantizeNearest(w, 30, 7, weightQuantizer(bits, 30, 'none'));
      for (let j = 0; j < 7; j++) {
        const column = Array.from({ length: 30 }, (_, k) => w[k * 7 + j]!);
        const extreme = column.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
        expect(scale[j]).to.equal(roundToHalf([Math.abs(extreme) / max])[0]);
        const largest = Math.max(...column.map((_, k) => Math.abs(codes[k * 7 + j]!)));
        expect(largest).to.equal(max);
      }
    });

    it(`${bits} bits: codes are in range, each the nearest to its weight`, () => {
      const w = normal(50 * 9, 100 + bits, 0.1);
      const { codes, scale } = quantizeNearest(w, 50, 9, weightQuantizer(bits, 16, 'search'));
      const [min, max] = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
      codes.forEach((code, at) => {
        const s = scale[Math.floor(at / 9 / 16) * 9 + (at % 9)]!;
        expect(code).to.be.within(min, max);
        const off = Math.abs(w[at]! - code * s);
        for (const other of [code - 1, code + 1]) {
          if (other < min || other > max) continue;
          expect(off).to.be.at.most(Math.abs(w[at]! - other * s) * (1 + 1e-12));
        }
      });
    });
  }

  it('scales are halves where halves are normal, and stored as they are everywhere', () => {
    for (const magnitude of [1e-30, 1e-7, 1e-4, 1, 1e3, 1e6, 1e30]) {
      const w = normal(32 * 6, 1, 0, magnitude);
      const { scale } = quantizeNearest(w, 32, 6, weightQuantizer(4, 8, 'search'));
      expect(halfScales(scale).values).to.deep.equal(scale);
      const normalHalves = scale.filter((s) => Math.abs(s) >= 2 ** -14 && Math.abs(s) <= 65504);
      expect(roundToHalf(normalHalves)).to.deep.equal(normalHalves);
    }
  });

  for (const [what, column, expected] of [
    ['zeros', [0, 0, 0], [0, 0, 0]],
    ['a constant', [0.25, 0.25, 0.25], [0.25, 0.25, 0.25]],
    ['a negative constant', [-3, -3, -3], [-3, -3, -3]],
    ['a single weight', [0.375], [0.375]],
    ['powers of two', [-1, 0.5, 0], [-1, 0.5, 0]],
    ['−0', [-0, 1, 0], [0, 1, 0]],
  ] as const) {
    it(`${what} come back as they were, at every bits`, () => {
      const w = Float32Array.from(column);
      // both signs of both ends are codes at 3 bits and more
      for (const bits of BITS.filter((b) => b > 2 || column.every((v) => v === column[0]))) {
        const quantizer = weightQuantizer(bits, w.length, 'search');
        const back = dequantized(quantizeNearest(w, w.length, 1, quantizer));
        expect(
          back.map((v) => v + 0),
          `${bits} bits`,
        ).to.deep.equal(Float32Array.from(expected));
      }
    });
  }

  it('groups of one row keep each weight to half precision', () => {
    const w = normal(7 * 5, 8);
    const result = quantizeNearest(w, 7, 5, weightQuantizer(4, 1, 'search'));
    expect([result.scale.length, result.format.granularity.groupSize]).to.deep.equal([35, 1]);
    dequantized(result).forEach((v, i) => {
      expect(Math.abs(v - w[i]!)).to.be.at.most(Math.abs(w[i]!) * 2 ** -11 * (1 + 2 ** -20));
    });
  });

  it('a last group may be shorter, and a group larger than d is all of it', () => {
    const w = normal(10 * 3, 4);
    const rest = quantizeNearest(w, 10, 3, weightQuantizer(5, 4, 'search'));
    expect([rest.scale.length, rest.format.granularity.groupSize]).to.deep.equal([9, 4]);
    const tail = w.subarray(24);
    const alone = quantizeNearest(tail, 2, 3, weightQuantizer(5, 2, 'search'));
    expect(rest.codes.subarray(24)).to.deep.equal(alone.codes);
    expect(rest.scale.subarray(6)).to.deep.equal(alone.scale);
    const whole = quantizeNearest(w, 10, 3, weightQuantizer(5, 64, 'search'));
    expect(whole).to.deep.equal(quantizeNearest(w, 10, 3, weightQuantizer(5, 10, 'search')));
  });

  it('huge, tiny and subnormal weights give finite scales and errors within a step', () => {
    for (const magnitude of [1e-45, 1e-42, 1e-38, 1e-30, 1e-10, 1e10, 1e30, 1e38]) {
      const w = normal(16 * 4, 3).map((v) => v * magnitude * 0.5);
      for (const bits of BITS) {
        const result = quantizeNearest(w, 16, 4, weightQuantizer(bits, 16, 'search'));
        expect(result.scale.every((s) => Number.isFinite(s) && s !== 0)).to.equal(true);
        const max = w.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        // clipping and 2 bits may cost a weight all of itself, and no more
        dequantized(result).forEach((v, i) => {
          expect(Math.abs(v - w[i]!), `${magnitude}, ${bits} bits`).to.be.at.most(max);
        });
      }
    }
  });

  it('NaN and infinities get a typed error that says where', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const w = normal(12, 1);
      w[7] = bad;
      expect(() => quantizeNearest(w, 4, 3, weightQuantizer(4, 4, 'search'))).to.throw(
        HadaNormError,
        `quantizeWeights: the weights hold ${bad} at [2, 1]`,
      );
    }
  });

  it('the code of a value is the nearest, ties to even, within the range', () => {
    const search = new ScaleSearch(weightQuantizer(3, 1, 'none'));
    const codes = [-9, -4.5, -3.5, -1.5, 0.5, 1.5, 2.5, 9].map((v) => search.code(v, 1));
    expect(codes).to.deep.equal([-4, -4, -4, -2, 0, 2, 2, 3]);
    expect(search.code(4, -1)).to.equal(-4);
  });
});

describe('Numbers as a file will give them back', () => {
  it('halves are rounded, beyond 65504 all stay float32', () => {
    const rounded = half(Float32Array.of(1, 1 + 2 ** -12, 1e-9));
    expect(rounded).to.deep.equal({
      values: Float32Array.of(1, 1, 0),
      quantization: { dtype: 'float16' },
    });
    const values = Float32Array.of(1 + 2 ** -12, 70000);
    expect(half(values)).to.deep.equal({ values, quantization: undefined });
  });

  it('scales with one below the normal halves stay float32', () => {
    const small = Float32Array.of(1, 2 ** -15);
    expect(halfScales(small)).to.deep.equal({ values: small, quantization: undefined });
    const fine = Float32Array.of(1, 0, -(2 ** -14));
    expect(halfScales(fine)).to.deep.equal({ values: fine, quantization: { dtype: 'float16' } });
  });

  for (const [dtype, maximum] of [
    ['uint8', 255],
    ['uint16', 65535],
  ] as const) {
    it(`${dtype} keeps both ends, and is off by half a step at most`, () => {
      const weights = fc.array(fc.float({ noNaN: true, min: -1000, max: 1000 }));
      fc.assert(
        fc.property(weights, (values) => {
          const given = Float32Array.from(values);
          const { values: rounded, quantization } = affine(given, dtype);
          const { scale, min } = quantization as { scale: number; min: number };
          rounded.forEach((v, i) => {
            // half a step, and the rounding of the result to float32
            const bound = (scale / 2) * (1 + 1e-9) + Math.abs(v) * 2 ** -23 + 2 ** -149;
            expect(Math.abs(v - given[i]!)).to.be.at.most(bound);
            expect(Math.round((v - min) / scale)).to.be.within(0, maximum);
          });
        }),
      );
      const { values, quantization } = affine(Float32Array.of(-1, 0, 3), dtype);
      const [scale, zero] = [4 / maximum, Math.round(maximum / 4)];
      expect([...values]).to.deep.equal([-1, Math.fround(zero * scale - 1), 3]);
      expect(quantization).to.deep.equal({ dtype, scale, min: -1 });
      expect(affine(new Float32Array(3), dtype).values).to.deep.equal(new Float32Array(3));
    });

    it(`${dtype} codes that a file holds are those that come back from its values`, () => {
      const given = normal(500, 1);
      const { values, quantization } = affine(given, dtype);
      const spec = { name: 'w', shape: [500], dtype: 'float32' as const, quantization };
      const encoded = encodeWeight(spec as WeightSpec, values);
      const decoded = weightsFromData([spec as WeightSpec], encoded)
        .get('w')!
        .values();
      expect(decoded).to.deep.equal(values);
    });
  }
});

function errorOf(
  w: Float32Array,
  { codes, scale, format, n }: QuantizedWeights,
  start: number,
  end: number,
): number {
  let sum = 0;
  for (let at = start * n; at < end * n; at++) {
    const s = scale[Math.floor(at / n / format.granularity.groupSize) * n + (at % n)]!;
    sum += (w[at]! - codes[at]! * s) ** 2;
  }
  return sum;
}

function total(w: Float32Array, result: QuantizedWeights): number {
  return errorOf(w, result, 0, result.d);
}
