import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  loadQuantized,
  parseReport,
  type QuantizationReport,
  type RewriteOptions,
  reportJson,
  rewriteGraph,
  rewriteGraphAsync,
  saveQuantized,
} from '../../../src/index.js';
import { reportHtml, reportTable } from '../../../src/report.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { tinyBatch, tinyDit } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/** As many classes as make the table of labels, [8192, 32], worth it. */
const CLASSES = 8191;
const TABLE = 'y_embedder/table';

/** Linears stay as they are, but one: what is left is the table's. */
const TABLES_ONLY: RewriteOptions = {
  ...{ method: 'rtn', weights: { bits: null }, activations: { bits: null } },
  weightOnly: { bits: 8 },
  rules: [
    ...(['modulation', 'embedding', 'final'] as const).map((role) => {
      return { role, treatment: 'skip' as const };
    }),
  ],
};

async function valuesOf(model: tf.GraphModel): Promise<Float32Array> {
  const batch = tinyBatch(4);
  const output = model.predict(batch) as tf.Tensor;
  const values = (await output.data()) as Float32Array;
  tf.dispose([batch, output]);
  return values;
}

function off(a: Float32Array, b: Float32Array): number {
  const norm = (v: Float32Array) => Math.hypot(...v);
  return norm(a.map((v, i) => v - b[i]!)) / norm(b);
}

describeOnBackends('Tables of embeddings', () => {
  it('are 8 bits by row in the file, in the report, and near what they were', async () => {
    await expectNoLeakAsync(async () => {
      const model = await tinyDit({ numClasses: CLASSES });
      const before = await valuesOf(model);
      const { model: small, report } = await rewriteGraphAsync(model, TABLES_ONLY);
      const [table, ...others] = report.embeddings!;
      expect(others).to.be.empty;
      const { name, shape, bits, sqnr, bytes } = table!;
      expect({ name, shape, bits }).to.deep.equal({ name: TABLE, shape: [8192, 32], bits: 8 });
      expect(bytes).to.deep.equal({ before: 4 * 8192 * 32, after: 8192 * 32 + 2 * 8192 });
      expect(sqnr).to.be.within(40, 50);
      const { modelBytes } = report.totals;
      expect(modelBytes.before - modelBytes.after).to.be.at.least(
        bytes.before - bytes.after - 4096,
      );
      expect(off(await valuesOf(small), before)).to.be.within(1e-7, 0.01);
      for (const one of [model, small]) one.dispose();
    });
  });

  it('give the same outputs to the bit when they are loaded', async () => {
    const model = await tinyDit({ numClasses: CLASSES });
    const { model: small } = await rewriteGraphAsync(model, { method: 'hadamard' });
    let saved: tf.io.ModelArtifacts = {};
    const save = tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    });
    await saveQuantized(small, save);
    const again = await loadQuantized(tf.io.fromMemory(saved));
    expect(await valuesOf(again)).to.deep.equal(await valuesOf(small));
    for (const one of [model, small, again]) one.dispose();
  });
});

describe('Tables of embeddings in a report', () => {
  let report: QuantizationReport;
  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit({ numClasses: CLASSES });
    const made = rewriteGraph(model, { method: 'hadamard' });
    report = made.report;
    made.model.dispose();
    model.dispose();
  });

  it('are in its JSON, its table and its page', async () => {
    expect(parseReport(reportJson(report))).to.deep.equal(report);
    const line = new RegExp(`${TABLE}: 8192 × 32 in 8 bits, 4\\d\\.\\d+ dB, `);
    expect(reportTable(report)).to.match(line);
    expect(await reportHtml(report)).to.match(line);
  });

  it('are left alone by weightOnly false or bits null, and where they are small', async () => {
    const large = await tinyDit({ numClasses: CLASSES });
    const little = await tinyDit();
    for (const [model, options] of [
      [large, { weightOnly: false }],
      [large, { weightOnly: { bits: null } }],
      [little, {}],
    ] as const) {
      const made = rewriteGraph(model, { method: 'hadamard', ...options });
      expect(made.report.embeddings).to.equal(undefined);
      expect(made.model.weights[TABLE]).to.have.length(1);
      made.model.dispose();
    }
    for (const model of [large, little]) model.dispose();
  });
});
