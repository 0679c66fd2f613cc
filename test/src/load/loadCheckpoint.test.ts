import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { AbortedError, InvalidArgumentError } from '../../../src/index.js';
import { parseSafetensors } from '../../../src/load/safetensors.js';
import {
  type ByteFiles,
  CheckpointError,
  type LoadCheckpointOptions,
  loadCheckpoint,
  quantizeCheckpoint,
} from '../../../src/load.js';
import { checkpointFiles } from '../../../src/node.js';
import { publishedCase, publishedFolder } from '../../harness/models/published.js';
import { outputOf, PUBLISHED } from '../../harness/models/publishedCases.js';
import { bytesOf, safetensorsOf } from '../../harness/models/safetensorsBytes.js';
import { rejection } from '../../harness/run/rejection.js';

type Weights = Record<string, { shape: readonly number[]; values: Float32Array }>;

const WEIGHTS = 'diffusion_pytorch_model.safetensors';

describe('loadCheckpoint', () => {
  let folder: string;

  before(async () => {
    await tf.setBackend('cpu');
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hadanorm-checkpoint-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A copy of a fixture, its config and weights changed. */
  function copy(name: string, config: object = {}, change: (weights: Weights) => void = () => {}) {
    for (const file of readdirSync(publishedFolder(name))) {
      copyFileSync(join(publishedFolder(name), file), join(folder, file));
    }
    const before = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...before, ...config }));
    const weights = Object.fromEntries(parseSafetensors(readFileSync(join(folder, WEIGHTS))));
    change(weights);
    const stored = Object.entries(weights).map(([key, { shape, values }]) => {
      return [key, { dtype: 'F32', shape, bytes: bytesOf(values, 4, 'setFloat32') }];
    });
    writeFileSync(join(folder, WEIGHTS), safetensorsOf(Object.fromEntries(stored)));
  }

  async function refused(options: LoadCheckpointOptions = {}): Promise<CheckpointError> {
    const { numTensors } = tf.memory();
    const error = await rejection(loadCheckpoint(checkpointFiles(folder), options));
    expect(error).to.be.instanceOf(CheckpointError);
    expect(tf.memory().numTensors, 'tensors left').to.equal(numTensors);
    return error as CheckpointError;
  }

  it('names a tensor that is missing, too many or of another shape, and reads none', async () => {
    const bias = 'transformer_blocks.1.attn1.to_k.bias';
    const seen: string[] = [];
    const onProgress = ({ name }: { name: string }) => seen.push(name);
    copy('dit', {}, (weights) => {
      delete weights[bias];
    });
    const missing = await refused({ onProgress });
    expect(missing.tensor).to.equal(bias);
    expect(missing.message).to.include(`the checkpoint lacks the tensor ${bias}.`);
    copy('dit', {}, (weights) => {
      weights['lora.up'] = { shape: [1], values: Float32Array.of(1) };
    });
    const extra = await refused({ onProgress });
    expect(extra.tensor).to.equal('lora.up');
    expect(extra.message).to.match(/has, beside what its config tells of, the tensor lora\.up\./);
    copy('dit', {}, (weights) => {
      weights[bias] = { shape: [4, 8], values: weights[bias]!.values };
    });
    const shaped = await refused({ onProgress });
    expect(shaped.tensor).to.equal(bias);
    expect(shaped.message).to.include('must be of shape [32] by the config, it is [4,8].');
    expect(seen).to.be.empty;
  });

  it('refuses a config of another class', async () => {
    copy('dit', { _class_name: 'UNet2DConditionModel' });
    expect((await refused()).message).to.match(/"UNet2DConditionModel"; there are/);
  });

  it('refuses a field of another type, and sizes that do not fit', async () => {
    const load = (name: string, options: LoadCheckpointOptions) =>
      rejection(loadCheckpoint(checkpointFiles(publishedFolder(name)), options));
    const cases: [string, LoadCheckpointOptions, RegExp][] = [
      ['dit', { config: { num_layers: 'two' } }, /config\.num_layers must be an integer from 1 to/],
      [
        'dit',
        { config: { activation_fn: 'geglu' } },
        /activation_fn must be "gelu-approximate", g/,
      ],
      ['dit', { config: { pooled: 3 } }, /config\.pooled must be absent, got 3\. It is not known/],
      ['dit', { height: 7 }, /height must be a multiple of the patch size 2, got 7/],
      ['dit', { textTokens: 4 }, /textTokens must be absent: the model takes no text/],
      ['sd3', { height: 16 }, /must be at most 6 patches, as there are positions, got 8, 8/],
      ['dit', { widht: 8 } as LoadCheckpointOptions, /options must be some of .*, got widht/],
    ];
    for (const [name, options, message] of cases) {
      const error = await load(name, options);
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect((error as Error).message).to.match(message);
    }
    const headless = await load('facebookDit', {});
    expect(headless).to.be.instanceOf(CheckpointError);
    expect((headless as Error).message).to.include('give config: { num_heads: … }.');
  });

  it('refuses a pickle, with the way to convert it', async () => {
    writeFileSync(join(folder, 'DiT-XL-2-256x256.pt'), 'PK');
    const { message } = await refused();
    expect(message).to.include('DiT-XL-2-256x256.pt is a pickle, a program that is not run here.');
    expect(message).to.include('weights_only=True').and.include("'DiT-XL-2-256x256.safetensors'");
    const url = await rejection(loadCheckpoint('https://localhost/DiT.pt'));
    expect(url).to.be.instanceOf(CheckpointError);
  });

  it('tells which file is missing, cut off or no safetensors', async () => {
    expect((await refused()).message).to.include('there is no .safetensors file at');
    copy('dit');
    const whole = readFileSync(join(folder, WEIGHTS));
    writeFileSync(join(folder, WEIGHTS), whole.subarray(0, whole.length - 4));
    expect((await refused()).message).to.match(/model\.safetensors: .*the file ends after/);
    writeFileSync(join(folder, WEIGHTS), whole.subarray(0, 100));
    expect((await refused()).message).to.match(/model\.safetensors: .*ends within its header/);
    rmSync(join(folder, 'config.json'));
    writeFileSync(join(folder, WEIGHTS), whole);
    expect((await refused()).message).to.include('there is no config.json beside the weights');
  });

  it('takes Transformer2DModel for what its norm_type says it is', async () => {
    const more = { use_linear_projection: false, num_vector_embeds: null };
    for (const name of ['dit', 'pixartSigma']) {
      copy(name, { _class_name: 'Transformer2DModel', ...more });
      const model = await loadCheckpoint(checkpointFiles(folder), PUBLISHED[name]);
      expect(model.outputs.map((output) => output.name)).to.deep.equal(['prediction']);
      model.dispose();
    }
    copy('dit', { _class_name: 'Transformer2DModel', norm_type: 'layer_norm' });
    expect((await refused()).message).to.include('_class_name = "Transformer2DModel"');
  });

  it('knows names of original repositories, and what older diffusers kept besides', async () => {
    const one = { shape: [1], values: Float32Array.of(1) };
    copy('dit', {}, (weights) => {
      weights['double_blocks.0.img_mod.lin.weight'] = one;
    });
    expect((await refused()).message).to.include('Take the folder transformer/ of diffusers');
    copy('pixartAlpha', {}, (weights) => {
      weights['caption_projection.y_embedding'] = { shape: [2, 20], values: new Float32Array(40) };
    });
    (await loadCheckpoint(checkpointFiles(folder), PUBLISHED.pixartAlpha)).dispose();
  });

  it('has copies once: the embedders of blocks that were converted from one', async () => {
    const part = /^transformer_blocks\.1\.norm1\.emb\./;
    copy('dit', {}, (weights) => {
      for (const name of Object.keys(weights).filter((key) => part.test(key))) {
        weights[name] = weights[name.replace('blocks.1', 'blocks.0')]!;
      }
    });
    const files = checkpointFiles(folder);
    // a stream cannot be looked at twice
    const open: ByteFiles['open'] = async (name, signal) => {
      const file = await files.open(name, signal);
      return file === null ? null : { ...file, anywhere: false };
    };
    const [once, twice] = [await loadCheckpoint(files), await loadCheckpoint({ ...files, open })];
    const counts = [once, twice].map(({ weights }) => Object.keys(weights).length);
    expect(counts[1]! - counts[0]!).to.be.at.least(5);
    const [a, b] = await Promise.all(
      [once, twice].map((model) => outputOf(model, publishedCase('dit').inputs)),
    );
    expect(a).to.deep.equal(b);
    const { model: small } = await quantizeCheckpoint(files);
    expect(Object.keys(small.weights).filter((name) => name.includes('1/norm1/emb'))).to.be.empty;
    for (const model of [once, twice, small]) model.dispose();
  });

  it('reads no tensor back: nothing is there twice', async () => {
    const backend = tf.backend() as tf.KernelBackend;
    const { readSync } = backend;
    let reads = 0;
    backend.readSync = (id) => {
      reads++;
      return readSync.call(backend, id);
    };
    try {
      const model = await loadCheckpoint(checkpointFiles(publishedFolder('dit')));
      expect(reads).to.equal(0);
      let saved: tf.io.ModelArtifacts = {};
      await model.save(
        tf.io.withSaveHandler(async (artifacts) => {
          saved = artifacts;
          return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
        }),
      );
      const again = await tf.loadGraphModel(tf.io.fromMemory(saved));
      const [a, b] = await Promise.all(
        [model, again].map((one) => outputOf(one, publishedCase('dit').inputs)),
      );
      expect(b).to.deep.equal(a);
      model.dispose();
      again.dispose();
    } finally {
      backend.readSync = readSync;
    }
  });

  it('tells how far it is, and is cancelled between two tensors', async () => {
    const { numTensors } = tf.memory();
    const controller = new AbortController();
    const seen: [number, number][] = [];
    const error = await rejection(
      loadCheckpoint(checkpointFiles(publishedFolder('dit')), {
        signal: controller.signal,
        onProgress: ({ stage, done, total, name }) => {
          expect([stage, typeof name]).to.deep.equal(['load', 'string']);
          seen.push([done, total!]);
          if (done === 3) controller.abort('enough');
        },
      }),
    );
    expect(error).to.be.instanceOf(AbortedError);
    expect((error as Error).cause).to.equal('enough');
    expect(seen).to.deep.equal([1, 2, 3].map((done) => [done, 44]));
    expect(tf.memory().numTensors).to.equal(numTensors);
  });
});
