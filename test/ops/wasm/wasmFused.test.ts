import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { layerNormReference } from '../../../ops/modulatedLayerNorm/reference.js';
import { layerNormOnWasm } from '../../../ops/modulatedLayerNorm/wasm.js';
import { attentionOnWasm } from '../../../ops/scaledDotProductAttention/wasm.js';
import { RELAXED_SIMD_FLAG } from '../../../ops/wasm/module.js';
import { exactAttention, randomIn } from '../../harness/ops/attention.js';
import '../../harness/backends/backends.js';
import { maxError } from '../../harness/numbers/compare.js';
import type { Values } from '../../harness/numbers/gradient.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { GuardedWasm } from '../../harness/wasm/guardedWasm.js';

/** Where the work is cut: into one range, two, or more of any size, some of them empty. */
const cuts = fc
  .array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })
  .map((parts) => parts.sort((a, b) => a - b));

const attentions = fc.record({
  sizes: fc.record({
    b: fc.integer({ min: 1, max: 2 }),
    h: fc.integer({ min: 1, max: 3 }),
    queries: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 30, max: 70 })),
    keys: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 250, max: 530 })),
    c: fc.integer({ min: 1, max: 40 }),
    valueChannels: fc.integer({ min: 1, max: 40 }),
  }),
  layouts: fc.constantFrom(
    { q: 'bhtc', k: 'bhtc', v: 'bhtc', output: 'bhtc' },
    { q: 'bt0hc', k: 'bt1hc', v: 'bt2hc', output: 'bthc' },
    { q: 'bthc', k: 'bth0c', v: '3bhtc', output: 'thbc' },
    { q: 'tbhc', k: 'htbc', v: 'bt1hc', output: 'bhtc' },
  ),
  mask: fc.constantFrom('none', 'keys', 'queries', 'whole'),
  // differences of scores from nothing to far more than a float32 exponential holds
  std: fc.constantFrom(0, 1e-20, 1, 30, 1e4),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

type Attention = typeof attentions extends fc.Arbitrary<infer T> ? T : never;

const norms = fc.record({
  samples: fc.integer({ min: 1, max: 3 }),
  tokens: fc.integer({ min: 1, max: 9 }),
  d: fc.integer({ min: 1, max: 70 }),
  center: fc.boolean(),
  parts: fc.subarray(['gamma', 'beta', 'factor', 'shift'] as const),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

describe('WASM kernels of attention and norms', () => {
  before(async () => {
    await tf.setBackend('wasm');
  });
  afterEach(() => tf.env().set(RELAXED_SIMD_FLAG, true));

  for (const relaxed of [false, true]) {
    const kind = relaxed ? 'relaxed SIMD where there is any' : 'SIMD128';

    it(`${kind}: attention stays within its tensors, however it is cut, and is right`, () => {
      tf.env().set(RELAXED_SIMD_FLAG, relaxed);
      const property = fc.property(attentions, cuts, (given, at) => {
        const whole = attend(given, []);
        expect(maxError(attend(given, at), whole)).to.equal(0);
        checkAttention(given, whole);
      });
      fc.assert(property, { seed: 7, numRuns: 60 });
    });

    it(`${kind}: the norm stays within its tensors, however it is cut, and is right`, () => {
      tf.env().set(RELAXED_SIMD_FLAG, relaxed);
      const property = fc.property(norms, cuts, (given, at) => {
        const whole = normalize(given, []);
        expect(maxError(normalize(given, at), whole)).to.equal(0);
        const { d, center } = given;
        const numbers = Object.fromEntries(
          Object.entries(normInputs(given)).map(([name, { values }]) => [name, values]),
        ) as { x: Float32Array };
        const exact = layerNormReference(numbers, d, 1e-3, center);
        expect(maxError(whole, exact)).to.be.at.most(1e-5);
      });
      fc.assert(property, { seed: 8, numRuns: 150 });
    });
  }
});

/** Queries, keys, values and mask; what a layout does not read is NaN. */
function attentionInputs({ sizes, layouts, mask, std, seed }: Attention) {
  const { b, h, queries, keys, c, valueChannels } = sizes;
  const shapes = {
    none: null,
    keys: [b, 1, 1, keys],
    queries: [queries, 1],
    whole: [h, queries, keys],
  };
  const shape = shapes[mask];
  return {
    q: randomIn(layouts.q, { b, h, t: queries, c }, seed, std),
    k: randomIn(layouts.k, { b, h, t: keys, c }, seed + 1),
    v: randomIn(layouts.v, { b, h, t: keys, c: valueChannels }, seed + 2),
    ...(shape === null
      ? {}
      : { mask: { shape, values: normal(sizeOf(shape), seed + 3, 0, 3) } as Values }),
  };
}

function attend(given: Attention, at: readonly number[]): Float32Array {
  const { q, k, v, mask } = attentionInputs(given);
  return GuardedWasm.check(1 << 21, at, (module) => {
    const inputs = {
      q: module.input(q) as tf.Tensor,
      k: module.input(k) as tf.Tensor,
      v: module.input(v) as tf.Tensor,
      mask: mask === undefined ? undefined : (module.input(mask) as tf.Tensor),
    };
    const { layouts } = given;
    const attrs = {
      qLayout: layouts.q,
      kLayout: layouts.k,
      vLayout: layouts.v,
      outputLayout: layouts.output,
      scale: 0.5,
    };
    const out = module.valuesOf(attentionOnWasm({ inputs, attrs, module }));
    for (const [name, kept] of Object.entries({ q, k, v })) {
      const now = module.valuesOf(inputs[name as 'q' | 'k' | 'v']);
      expect(maxError(now, kept.values), `what became of ${name}`).to.equal(0);
    }
    return out;
  });
}

function checkAttention(given: Attention, actual: Float32Array): void {
  const { sizes, layouts } = given;
  const { values, bounds } = exactAttention(attentionInputs(given), layouts, sizes, 0.5);
  const off = [...actual].findIndex((y, i) => !(Math.abs(y - values[i]!) <= bounds[i]!));
  expect(off < 0 ? null : [off, actual[off], values[off], bounds[off]]).to.equal(null);
}

type Norm = typeof norms extends fc.Arbitrary<infer T> ? T : never;

function normInputs({ samples, tokens, d, parts, seed }: Norm): { x: Values } {
  const shapes = { gamma: [d], beta: [d], factor: [samples, 1, d], shift: [samples, 1, d] };
  const made = parts.map((part, i): [string, Values] => {
    const shape = shapes[part];
    return [part, { shape, values: normal(sizeOf(shape), seed + i) }];
  });
  const shape = [samples, tokens, d];
  return { x: { shape, values: normal(sizeOf(shape), seed + 9, 2) }, ...Object.fromEntries(made) };
}

function normalize(given: Norm, at: readonly number[]): Float32Array {
  return GuardedWasm.check(1 << 16, at, (module) => {
    // kernels know tensors by shape, size and data; a size is what an info lacks
    const inputs = Object.fromEntries(
      Object.entries(normInputs(given)).map(([name, values]) => {
        return [name, { ...module.input(values), size: sizeOf(values.shape) }];
      }),
    ) as unknown as { x: tf.Tensor };
    const attrs = { epsilon: 1e-3, center: given.center };
    return module.valuesOf(layerNormOnWasm({ inputs, attrs, module }));
  });
}
