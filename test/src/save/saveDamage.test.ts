import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  HadaNormError,
  InvalidArgumentError,
  loadQuantized,
  ModelFormatError,
  ModelLoadError,
  quantizedFiles,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { tinyArtifacts, tinyBatch, tinyDit } from '../../harness/models/tinyDit.js';
import { type Files, fromFiles, storedBytesOf } from '../../harness/run/files.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';
import { savedBy } from '../../harness/run/savedBy.js';

interface Model {
  modelTopology: { node: { name: string; op: string; attr?: object }[] };
  userDefinedMetadata: { hadanorm: Record<string, unknown> };
  signature: { outputs: Record<string, { name: string }> };
  weightsManifest: { paths: string[]; weights: tf.io.WeightsManifestEntry[] }[];
}

describe('loadQuantized', () => {
  let files: Map<string, Uint8Array>;
  let small: tf.GraphModel;
  const json = () => JSON.parse(new TextDecoder().decode(files.get('model.json'))) as Model;

  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit({ hiddenSize: 16 });
    ({ model: small } = rewriteGraph(model, { method: 'hadamard', compare: false }));
    model.dispose();
    files = await quantizedFiles(small, { shardBytes: 4000 });
    expect(files.size, 'model.json and some shards').to.be.above(3);
  });
  after(() => small.dispose());

  /** The files with model.json changed. */
  function edited(change: (model: Model) => unknown): Files {
    const model = json();
    change(model);
    return new Map([...files, ['model.json', new TextEncoder().encode(JSON.stringify(model))]]);
  }

  const last = () => [...files.keys()].at(-1)!;

  const CASES: readonly (readonly [string, () => Files, string])[] = [
    [
      'a shard that ends early',
      () => new Map([...files, [last(), files.get(last())!.slice(0, -5)]]),
      'truncated',
    ],
    [
      'a shard that goes on',
      () => new Map([...files, [last(), Uint8Array.from([...files.get(last())!, 1])]]),
      'bytes of weights',
    ],
    [
      'JSON that ends early',
      () => new Map([...files, ['model.json', files.get('model.json')!.slice(0, 999)]]),
      'cannot be read',
    ],
    [
      'JSON of something else',
      () => new Map([['model.json', Buffer.from('null')]]),
      'cannot be read',
    ],
    [
      'a newer version',
      () => edited((m) => Object.assign(m.userDefinedMetadata.hadanorm, { version: 3 })),
      'format version 3, this is version 2. Update tfjs-hadanorm',
    ],
    [
      'an older version',
      () => edited((m) => Object.assign(m.userDefinedMetadata.hadanorm, { version: 1 })),
      'format version 1, which is no longer read. Quantize the original model again.',
    ],
    [
      'another attribute',
      () =>
        edited((m) =>
          Object.assign(m.modelTopology.node.find(({ op }) => op === 'QuantizedMatMul')!.attr!, {
            groupSize: { i: 8 },
          }),
        ),
      'the graph in model.json was altered',
    ],
    [
      'a node more',
      () => edited((m) => m.modelTopology.node.push({ name: 'more', op: 'NoOp' })),
      'the graph in model.json was altered',
    ],
    [
      'another output',
      () =>
        edited((m) => Object.assign(Object.values(m.signature.outputs)[0]!, { name: 'latent' })),
      'the graph in model.json was altered',
    ],
    [
      'another shape of a weight',
      () => edited((m) => Object.assign(m.weightsManifest[0]!.weights[0]!, { shape: [1] })),
      'the graph in model.json was altered',
    ],
    [
      'checksums that are gone',
      () =>
        edited((m) => {
          m.userDefinedMetadata.hadanorm = { version: 2 };
        }),
      'no checksums',
    ],
    [
      'a checksum less',
      () => edited((m) => (m.userDefinedMetadata.hadanorm.weights as number[]).pop()),
      'weights',
    ],
    [
      'metadata that are gone',
      () => edited((m) => Object.assign(m, { userDefinedMetadata: undefined })),
      'not saved by saveQuantized',
    ],
    [
      'metadata that are null',
      () => edited((m) => Object.assign(m.userDefinedMetadata, { hadanorm: null })),
      'not saved by saveQuantized',
    ],
  ];
  for (const [title, damaged, message] of CASES) {
    it(`refuses ${title}, before a tensor is made`, async () => {
      const broken = damaged();
      await expectNoLeakAsync(async () => {
        const error = await rejection(loadQuantized(fromFiles(broken)));
        expect(error).to.be.instanceOf(ModelFormatError).and.instanceOf(HadaNormError);
        expect(error.message).to.include(message);
      });
    });
  }

  it('refuses each single weight altered, by its name', async () => {
    const saved = await savedBy((handler) => saveQuantized(small, handler));
    const whole = new Uint8Array(saved.weightData as ArrayBuffer);
    let at = 0;
    for (const spec of saved.weightSpecs!) {
      const { name } = spec;
      const bytes = storedBytesOf(spec);
      const altered = whole.slice();
      const place = at + (bytes >> 1);
      altered[place] = altered[place]! ^ 1;
      await expectNoLeakAsync(async () => {
        const damaged = tf.io.fromMemory({ ...saved, weightData: altered.buffer });
        const error = await rejection(loadQuantized(damaged));
        expect(error).to.be.instanceOf(ModelFormatError);
        expect(error.message).to.include(`the weight ${JSON.stringify(name)} was altered`);
      });
      at += bytes;
    }
    expect(at).to.equal(whole.length);
  });

  it('refuses a model that it did not save, and what model.save wrote', async () => {
    const foreign = await rejection(loadQuantized(tf.io.fromMemory(tinyArtifacts())));
    expect(foreign).to.be.instanceOf(ModelFormatError);
    expect(foreign.message).to.include('Load it with tf.loadGraphModel');
    const plain = await savedBy((handler) => small.save(handler));
    const unsealed = await rejection(loadQuantized(tf.io.fromMemory(plain)));
    expect(unsealed.message).to.include('saved by model.save');
  });

  it('keeps what the handler said as the cause, and is not taken for a wrong format', async () => {
    const cause = new Error('no network');
    const error = await rejection(loadQuantized({ load: () => Promise.reject(cause) }));
    expect(error).to.be.instanceOf(ModelLoadError).and.not.instanceOf(ModelFormatError);
    expect(error.cause).to.equal(cause);
    const missing = new Map([...files].slice(0, -1));
    await expectNoLeakAsync(async () => {
      const none = await rejection(loadQuantized(fromFiles(missing)));
      expect(none).to.be.instanceOf(ModelLoadError);
      expect(none.message).to.include(`cannot be read: there is no file ${last()}`);
    });
    const nothing = await rejection(loadQuantized({ load: async () => undefined as never }));
    expect(nothing).to.be.instanceOf(ModelFormatError);
  });

  it('refuses what is no handler', async () => {
    for (const wrong of [null, 3, {}, undefined]) {
      const error = await rejection(loadQuantized(wrong as never));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.include('source must be');
    }
  });

  it('without it, altered codes are an error at the first run', async () => {
    const saved = await savedBy((handler) => saveQuantized(small, handler));
    const data = new Uint8Array(saved.weightData as ArrayBuffer).slice();
    let at = 0;
    for (const spec of saved.weightSpecs!) {
      const isCodes = spec.dtype === 'bool' && spec.name.includes('mlp/fc1');
      if (isCodes) data[at + 3] = data[at + 3]! ^ 0x10;
      at += storedBytesOf(spec);
    }
    expect(data).to.not.deep.equal(new Uint8Array(saved.weightData as ArrayBuffer));
    const model = await tf.loadGraphModel(tf.io.fromMemory({ ...saved, weightData: data.buffer }));
    const batch = tinyBatch(1);
    await expectNoLeakAsync(async () => {
      expect(() => model.predict(batch)).to.throw(HadaNormError, /fc1/);
    });
    model.dispose();
    tf.dispose(batch);
  });
});
