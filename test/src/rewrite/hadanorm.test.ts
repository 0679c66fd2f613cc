import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { UniformFormat } from '../../../ops/numerics/formats.js';
import { activationReference } from '../../../ops/quantizedMatMul/reference.js';
import { type CalibrationStats, type RewriteOptions, rewriteGraph } from '../../../src/index.js';
import * as heart from '../../../src/quantize/hadanorm.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import {
  expectMatrix,
  expectNearest,
  expectStoredProduct,
  groupsOf,
  outputAndBound,
  storedProduct,
  transformBound,
} from '../../harness/models/heart.js';
import { type RewrittenLinear, rewrittenLinears } from '../../harness/models/rewrittenLinears.js';
import { tinyBatch, tinyDit, tinyStats } from '../../harness/models/tinyDit.js';

/** What a linear is quantized to, and by which method. */
const VARIANTS: readonly (readonly [string, RewriteOptions, UniformFormat])[] = [
  ['HadaNorm at W4A8', { rotate: true }, activations(8)],
  ['HadaNorm not rotated', { rotate: false }, activations(8)],
  ['HadaNorm at W4A4', { activations: { bits: 4, groupSize: 16 } }, activations(4, 16)],
  ['HadaNorm in blocks', { rotate: true, blockSize: 8, meanRank: 0 }, activations(8)],
  ['HadaNorm, one direction', { rotate: true, meanRank: 1 }, activations(8)],
  [
    'centered',
    { method: 'centered', activations: { symmetric: true } },
    activations(8, null, true),
  ],
  ['a static mean', { rotate: true, center: 'static' }, activations(8)],
  ['QuaRot', { method: 'hadamard', weights: { bits: 8 } }, activations(8)],
  ['SmoothQuant', { method: 'smoothquant', activations: { bits: 6 } }, activations(6)],
  ['round to nearest', { method: 'rtn', weights: { granularity: 'perChannel' } }, activations(8)],
];

const LEFT_OUT = 'codes and outputs of its kernels are compared with these in integer.test.ts';

describeOnBackends(
  'A rewritten graph computes what the equations say',
  () => {
    let model: tf.GraphModel;
    let stats: CalibrationStats;
    before(async () => {
      model = await tinyDit();
      stats = await tinyStats(model);
    });
    after(() => model.dispose());

    for (const mode of ['simulate', 'integer'] as const) {
      for (const [title, options, format] of VARIANTS) {
        it(`mode '${mode}', ${title}: codes, the mean's parts, weights and outputs`, () => {
          const given = {
            stats,
            mode,
            compare: false,
            weightOnly: false,
            lowRank: 0,
            ...options,
          } as const;
          const weights = { rounding: 'nearest', ...options.weights } as const;
          const { model: small } = rewriteGraph(model, { ...given, weights });
          const batch = tinyBatch(9);
          const linears = rewrittenLinears(model, small, batch);
          // q, k and v in one, attention out, MLP in and out
          expect(linears.length).to.equal(4);
          for (const linear of linears) {
            expect(linear.codes === null, 'codes').to.equal(mode === 'simulate');
            expectTransform(linear, format);
            expectStoredWeights(linear);
            expectOutputs(linear);
          }
          tf.dispose(batch);
          small.dispose();
        });
      }
    }
  },
  { tensorflow: LEFT_OUT, webgl: LEFT_OUT, webgpu: LEFT_OUT },
);

function activations(bits: number, groupSize: number | null = null, symmetric = false) {
  const granularity =
    groupSize === null
      ? ({ kind: 'perToken' } as const)
      : ({ kind: 'perGroup', axis: 1, groupSize } as const);
  const codes = symmetric ? 'symmetric' : 'unsigned';
  return { kind: 'uniform', bits, codes, granularity } as const;
}

/** (1), (3), (5) and (6), sample by sample. */
function expectTransform(linear: RewrittenLinear, format: UniformFormat): void {
  const { x, t, center, values, codes, residual, coefficients } = linear;
  const { granularity } = format;
  const d = t.sigma.length;
  const groupSize = granularity.kind === 'perGroup' ? granularity.groupSize : d;
  let ties = 0;
  x.forEach((tokens, sample) => {
    const mu = center === 'dynamic' ? heart.tokenMean(tokens) : t.mean;
    const bound = transformBound(tokens, tokens.length, t);
    heart.transform(tokens, mu, t).forEach((row, token) => {
      const at = sample * tokens.length + token;
      const rounded = groupsOf(values[at]!, groupSize);
      const stored = codes === null ? null : groupsOf(codes[at]!, groupSize);
      groupsOf(row, groupSize).forEach((group, g) => {
        const own = { values: rounded[g]!, ...(stored === null ? {} : { codes: stored[g]! }) };
        ties += expectNearest(own, group, format, bound);
      });
    });
    if (center !== 'dynamic') return;
    const split = heart.splitMean(mu, t);
    expectMatrix([residual![sample]!], [split.residual], 4 * bound);
    if (t.basis.length > 0) expectMatrix([coefficients![sample]!], [split.coefficients], 4 * bound);
  });
  if (center !== 'dynamic') expect(residual).to.equal(null);
  expect(ties, 'codes on the other side of a tie').to.be.at.most(1 + values.length * d * 1e-3);
}

/** (4) and (5): codes are the nearest to W' by their scales; what is stored beside them. */
function expectStoredWeights({ w, t, packed, stored, bias, storedBias }: RewrittenLinear): void {
  const { codes, scale, groupSize, bits } = packed;
  const [qMin, qMax] = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
  heart.transformedWeights(w, t).forEach((row, k) => {
    row.forEach((v, j) => {
      const s = scale[Math.floor(k / groupSize)]![j]!;
      const code = codes[k]![j]!;
      const quotient = Math.min(Math.max(v / s, qMin), qMax);
      const off = Math.abs(quotient - code);
      if (!(off <= 0.5 + 1e-4)) expect.fail(`code ${code} of ${v / s}`);
    });
  });
  if (t.basis.length > 0) {
    expectStoredProduct(stored, t.basis.length, heart.basisProduct(t, w));
  }
  storedBias.forEach((v, j) => {
    const exact = t.mean.reduce((sum, mean, k) => sum + mean * w[k]![j]!, bias[j]!);
    // half precision
    expect(Math.abs(v - exact)).to.be.at.most(1e-3 * Math.abs(exact) + 1e-6);
  });
}

/** (7) and the activation behind it, of each as the graph has it: they are compared above. */
function expectOutputs(linear: RewrittenLinear): void {
  const { x, t, packed, stored, storedBias, values, residual, coefficients } = linear;
  const { codes, scale, groupSize } = packed;
  const w = codes.map((row, k) =>
    row.map((code, j) => code * scale[Math.floor(k / groupSize)]![j]!),
  );
  const nothing = storedBias.map(() => 0);
  x.forEach((tokens, sample) => {
    const [begin, end] = [sample * tokens.length, (sample + 1) * tokens.length];
    const { y, bound } = outputAndBound({
      x: values.slice(begin, end),
      w,
      // the bias that is stored has it
      meanProduct: nothing,
      coefficients: coefficients?.[sample] ?? [],
      basisProduct: storedProduct(stored, t.basis.length),
      residual: residual?.[sample] ?? t.mean.map(() => 0),
      bias: storedBias,
    });
    const { activation } = linear;
    const expected = y.map((row) => row.map((v) => activationReference(v, activation)));
    // no activation is steeper than 1.13; tfjs's own are good to 1e-6
    const own = activation === 'none' ? 0 : 1e-6;
    const most = bound.map((row) => row.map((v) => 1.2 * v + own));
    expectMatrix(linear.y.slice(begin, end), expected, most);
  });
}
