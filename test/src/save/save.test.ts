import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphOfModel } from '../../../src/graph/model.js';
import {
  loadQuantized,
  quantizedFiles,
  type RewriteOptions,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { loaded } from '../../harness/graphs/run.js';
import {
  tinyArtifacts,
  tinyBatch,
  tinyDit,
  tinyStats,
  velocityOf,
  weightDataOf,
} from '../../harness/models/tinyDit.js';
import { fromFiles, storedBytesOf } from '../../harness/run/files.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { savedBy } from '../../harness/run/savedBy.js';

const OPTIONS: readonly (readonly [string, RewriteOptions])[] = [
  ['HadaNorm at 4 bits', { compare: false }],
  [
    'mixed bits, a low-rank branch and float32',
    {
      compare: false,
      lowRank: 4,
      rules: [
        { role: 'mlp', weights: { bits: 3 }, activations: { bits: 4 } },
        { role: 'attention.out', weights: { bits: null } },
        { role: 'modulation', treatment: 'skip' },
      ],
    },
  ],
];

const batch = () => tinyBatch(9, [0.1, 0.4, 0.8]);

describeOnBackends('A rewritten model that was saved', () => {
  for (const [title, options] of OPTIONS) {
    it(`gives the same outputs to the bit when it is loaded: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const model = await tinyDit();
        const stats = await tinyStats(model);
        const { model: small } = rewriteGraph(model, { ...options, stats });
        model.dispose();
        const expected = velocityOf(small, batch());
        const saved = await savedBy((handler) => saveQuantized(small, handler));
        const plain = await savedBy((handler) => small.save(handler));
        const files = await quantizedFiles(small);
        expect(velocityOf(small, batch()), 'stays usable').to.deep.equal(expected);
        small.dispose();
        const ways = [
          () => tf.loadGraphModel(tf.io.fromMemory(saved)),
          () => loadQuantized(tf.io.fromMemory(saved)),
          () => loadQuantized(fromFiles(files)),
          () => tf.loadGraphModel(fromFiles(files)),
          () => tf.loadGraphModel(tf.io.fromMemory(plain)),
        ];
        for (const [i, load] of ways.entries()) {
          const again = await load();
          expect(velocityOf(again, batch()), `way ${i}`).to.deep.equal(expected);
          again.dispose();
        }
      });
    });
  }

  it('is saved again as the very bytes', async () => {
    const model = await tinyDit();
    const stats = await tinyStats(model);
    const { model: small } = rewriteGraph(model, { ...OPTIONS[1]![1], stats });
    const first = await savedBy((handler) => saveQuantized(small, handler));
    const again = await loadQuantized(tf.io.fromMemory(first));
    const second = await savedBy((handler) => saveQuantized(again, handler));
    expect(second.modelTopology).to.deep.equal(first.modelTopology);
    expect(second.weightSpecs).to.deep.equal(first.weightSpecs);
    expect(second.userDefinedMetadata).to.deep.equal(first.userDefinedMetadata);
    expect(second.signature).to.deep.equal(first.signature);
    expect(weightDataOf(second)).to.deep.equal(weightDataOf(first));
    const [before, after] = await Promise.all([small, again].map((m) => quantizedFiles(m)));
    expect(after).to.deep.equal(before);
    for (const used of [model, small, again]) used.dispose();
  });

  it('stays packed in memory, before it runs and after', async () => {
    await expectNoLeakAsync(async () => {
      const model = await tinyDit({ hiddenSize: 128, mlpRatio: 4 });
      const { model: small } = rewriteGraph(model, {
        method: 'hadamard',
        weightOnly: { bits: 4 },
      });
      const artifacts = await savedBy((handler) => saveQuantized(small, handler));
      const linears = graphOfModel('test', model);
      model.dispose();
      small.dispose();
      const input = batch();
      const before = tf.memory().numBytes;
      const again = await loadQuantized(tf.io.fromMemory(artifacts));
      const held = tf.memory().numBytes - before;
      const whole = [...linears.weights.values()].reduce((sum, { spec }) => {
        return sum + 4 * tf.util.sizeFromShape(spec.shape);
      }, 0);
      const tensors = Object.values(again.weights).flat();
      const listed = tensors.reduce((sum, { size, dtype }) => {
        return sum + size * (dtype === 'bool' ? 1 : 4);
      }, 0);
      expect(listed / whole, 'of float32').to.be.at.most(0.25);
      expect(held, 'bytes of tensors').to.equal(listed);
      tf.dispose(again.predict(input));
      expect(tf.memory().numBytes - before, 'after a run').to.equal(held);
      again.dispose();
      tf.dispose(input);
    });
  });

  it('keeps metadata and the storage of what was not quantized', async () => {
    const original = halved(tinyArtifacts());
    const model = await loaded(original);
    const { model: small } = rewriteGraph(model, { method: 'hadamard' });
    const { userDefinedMetadata, weightSpecs, weightData, ...rest } = await savedBy((handler) =>
      saveQuantized(small, handler),
    );
    const { hadanorm, ...metadata } = userDefinedMetadata as { hadanorm: { version: number } };
    expect(metadata).to.deep.equal(original.userDefinedMetadata);
    expect(hadanorm.version).to.equal(2);
    const { signature } = original as { signature: object };
    expect(rest.signature).to.deep.equal(signature);
    const stored = bytesByName({ weightSpecs: weightSpecs!, weightData: weightData! });
    const before = bytesByName(original as Required<tf.io.ModelArtifacts>);
    const kinds = new Set<string>();
    for (const spec of original.weightSpecs!) {
      const bytes = stored.get(spec.name);
      if (bytes === undefined) continue;
      kinds.add(spec.quantization?.dtype ?? spec.dtype);
      expect(weightSpecs!.find(({ name }) => name === spec.name)).to.deep.equal(spec);
      expect(bytes, spec.name).to.deep.equal(before.get(spec.name));
    }
    expect([...kinds].sort()).to.deep.equal(['float16', 'float32', 'int32', 'uint8']);
    for (const used of [model, small]) used.dispose();
  });
});

type Weights = Pick<Required<tf.io.ModelArtifacts>, 'weightSpecs' | 'weightData'>;

/** The bytes of each weight. */
function bytesByName({ weightSpecs, weightData }: Weights): Map<string, Uint8Array> {
  const data = weightDataOf({ weightData });
  let at = 0;
  const entries = weightSpecs.map((spec) => {
    const start = at;
    at += storedBytesOf(spec);
    return [spec.name, data.slice(start, at)] as const;
  });
  return new Map(entries);
}

/** The positions in half precision and the labels' table in 8 bits, as a converter stores them. */
function halved(artifacts: tf.io.ModelArtifacts): tf.io.ModelArtifacts {
  const bytes = bytesByName(artifacts as Required<tf.io.ModelArtifacts>);
  const parts = artifacts.weightSpecs!.map((spec) => {
    const data = bytes.get(spec.name)!;
    const count = tf.util.sizeFromShape(spec.shape);
    if (spec.name === 'pos_embed') {
      const half = Uint16Array.from({ length: count }, (_, i) => 0x2000 + i);
      const quantization = { dtype: 'float16' } as const;
      return { spec: { ...spec, quantization }, data: new Uint8Array(half.buffer) };
    }
    if (spec.name !== 'y_embedder/table') return { spec, data };
    const quantization = { dtype: 'uint8', scale: 0.01, min: -1.2 } as const;
    return {
      spec: { ...spec, quantization },
      data: Uint8Array.from({ length: count }, (_, i) => i),
    };
  });
  return {
    ...artifacts,
    weightSpecs: parts.map(({ spec }) => spec),
    weightData: Uint8Array.from(Buffer.concat(parts.map(({ data }) => data))).buffer,
  };
}
