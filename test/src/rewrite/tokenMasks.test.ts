import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  calibrate,
  evaluateLinears,
  loadQuantized,
  type Method,
  rewriteGraph,
  saveQuantized,
  type TokenMaskOption,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { paddingMask } from '../../harness/graphs/masked.js';
import {
  captionedDit,
  jointDit,
  type MaskedGraph,
  paddedWords,
  textEncoder,
} from '../../harness/graphs/maskedGraphs.js';
import { loaded, relativeError } from '../../harness/graphs/run.js';

const TOKENS = 8;
const LENGTHS = [5, 1, 8, 7];

/** Masks are for means: every site has some, whether that measures better or not. */
const CENTERED = { center: 'dynamic', compare: false } as const;

/** Outputs of the tokens that count, [Σ lengths, d]. */
function seen(
  model: tf.GraphModel,
  inputs: tf.NamedTensorMap,
  lengths: readonly number[],
): Float32Array {
  return tf.tidy(() => {
    const y = model.execute(inputs) as tf.Tensor3D;
    const parts = lengths.map((length, i) => tf.slice(y, [i, 0, 0], [1, length, -1]).as1D());
    return tf.concat(parts).dataSync<'float32'>();
  });
}

/** Saved and loaded again, in memory. */
async function again(model: tf.GraphModel): Promise<tf.GraphModel> {
  let saved: tf.io.ModelArtifacts = {};
  await saveQuantized(
    model,
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    }),
  );
  return loadQuantized(tf.io.fromMemory(saved));
}

const encoders: readonly (readonly [string, MaskedGraph])[] = [
  ['bert', textEncoder('bert', { tokens: TOKENS })],
  ['t5', textEncoder('t5', { tokens: TOKENS, form: 'matMul' })],
  ['merged', textEncoder('merged', { tokens: TOKENS, masked: [true] })],
  ['pairs', textEncoder('pairs', { tokens: TOKENS, masked: [true] })],
];

describeOnBackends('a rewritten encoder with padded inputs', () => {
  for (const [style, graph] of encoders) {
    for (const mode of ['integer', 'simulate'] as const) {
      it(`${style}, ${mode}: the padding changes no bit of the other tokens`, async () => {
        const model = await loaded(graph.artifacts);
        const batch = (seed: number) => ({
          [graph.padded]: paddedWords(LENGTHS, TOKENS, seed),
          [graph.mask]: paddingMask(LENGTHS, TOKENS),
        });
        const inputs = batch(1);
        const stats = await calibrate(model, [inputs]);
        const { model: small, report } = rewriteGraph(model, { ...CENTERED, stats, mode });
        expect(report.notes).to.equal(undefined);
        for (const { reason } of report.linears)
          expect(reason).to.contain('centered by the tokens');
        const exact = seen(model, inputs, LENGTHS);
        const quantized = seen(small, inputs, LENGTHS);
        expect(relativeError([exact], [quantized])).to.be.below(0.2);
        const words = inputs[graph.padded]!;
        const junk = tf.tidy(() => tf.where(tf.equal(words, 0), tf.scalar(7, 'int32'), words));
        const other = seen(small, { ...inputs, [graph.padded]: junk }, LENGTHS);
        expect(other).to.deep.equal(quantized);
        const saved = await again(small);
        expect(seen(saved, inputs, LENGTHS)).to.deep.equal(quantized);
        tf.dispose([Object.values(inputs), junk]);
        for (const one of [model, small, saved]) one.dispose();
      });
    }
  }

  it('a caption and a joint attention run with masks of their own', async () => {
    for (const graph of [captionedDit('select'), jointDit('bert', true), jointDit('bert', false)]) {
      const model = await loaded(graph.artifacts);
      const inputs = graph.inputs(3, 6, 2);
      const stats = await calibrate(model, [inputs]);
      const { model: small, report } = rewriteGraph(model, { ...CENTERED, stats });
      expect(report.notes).to.equal(undefined);
      const [exact, quantized] = [model, small].map((one) => {
        return tf.tidy(() => (one.execute(inputs) as tf.Tensor).dataSync<'float32'>());
      });
      expect(relativeError([exact!], [quantized!])).to.be.below(0.2);
      const plain = rewriteGraph(model, { ...CENTERED, stats, tokenMask: false });
      const [note] = plain.report.notes!;
      expect(note).to.match(/^the statistics of \d+ sites were made with other tokens counting/);
      tf.dispose(inputs);
      for (const one of [model, small, plain.model]) one.dispose();
    }
  });
});

describe('SQNR of the tokens that count', () => {
  before(() => tf.setBackend('cpu'));

  it('is that without padding, and hadanorm is ahead of hadamard there', async () => {
    const graph = textEncoder('bert', { tokens: -1 });
    const model = await loaded(graph.artifacts);
    const lengths = [5, 3, TOKENS, 6, 2, 7];
    const words = paddedWords(lengths, TOKENS, 3);
    const padded = [{ [graph.padded]: words, [graph.mask]: paddingMask(lengths, TOKENS) }];
    const cut = lengths.map((length, i) => ({
      [graph.padded]: tf.slice(words, [i, 0], [1, length]),
      [graph.mask]: tf.ones([1, length], 'int32'),
    }));
    const sqnr = async (
      method: Method,
      batches: typeof padded,
      tokenMask: TokenMaskOption = 'auto',
    ) => {
      const stats = await calibrate(model, batches, { tokenMask });
      const options = { activations: { bits: 4 }, compare: false, tokenMask } as const;
      const { model: small } = rewriteGraph(model, { ...options, stats, method });
      const all = await evaluateLinears(model, small, batches);
      small.dispose();
      return all.reduce((sum, { output }) => sum + output, 0) / all.length;
    };
    const centered = await sqnr('hadanorm', padded);
    expect(centered).to.be.closeTo(await sqnr('hadanorm', cut), 0.1);
    expect(centered).to.be.greaterThan((await sqnr('hadamard', padded)) + 3);
    // what masks are for
    expect(centered).to.be.greaterThan((await sqnr('hadanorm', padded, false)) + 1);
    tf.dispose([padded, cut]);
    model.dispose();
  });

  it('the option is said where it does nothing, and refused where it is none', async () => {
    const graph = textEncoder('bert', { tokens: TOKENS });
    const model = await loaded(graph.artifacts);
    const options = { method: 'rtn', compare: false } as const;
    const tokenMask = { mask: graph.mask, match: 'nobody' };
    const { model: small, report } = rewriteGraph(model, { ...options, tokenMask });
    expect(report.notes).to.deep.equal([
      `tokenMask "${graph.mask}" (match 'nobody') is for no site`,
    ]);
    const wrong = () => rewriteGraph(model, { ...options, tokenMask: 'nothing' });
    expect(wrong).to.throw(
      'tokenMask must be the name of an input or node of the model, got "nothing"',
    );
    small.dispose();
    model.dispose();
  });
});
