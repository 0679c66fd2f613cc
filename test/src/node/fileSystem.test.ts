import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  HadaNormError,
  InvalidArgumentError,
  loadQuantized,
  ModelFormatError,
  ModelLoadError,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { writeWhole } from '../../../src/node/wholeFiles.js';
import { fileSystem } from '../../../src/node.js';
import { tinyBatch, tinyDit, velocityOf } from '../../harness/models/tinyDit.js';
import { rejection } from '../../harness/run/rejection.js';

describe('fileSystem', () => {
  let folder = '';
  let small: tf.GraphModel;
  let expected: Float32Array;

  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit({ hiddenSize: 16 });
    ({ model: small } = rewriteGraph(model, { method: 'hadamard', compare: false }));
    model.dispose();
    expected = velocityOf(small, tinyBatch(1));
  });
  after(() => small.dispose());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'file-system-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const expectSame = (model: tf.GraphModel) => {
    expect(velocityOf(model, tinyBatch(1))).to.deep.equal(expected);
    model.dispose();
  };

  it('saves a packed model and loads it by folder, file and URL', async () => {
    const target = join(folder, 'new', 'small');
    const { modelArtifactsInfo } = await saveQuantized(small, fileSystem(target));
    expect(modelArtifactsInfo.weightDataBytes).to.be.above(1000);
    expect((await readdir(target)).sort()).to.deep.equal(['group1-shard1of1.bin', 'model.json']);
    const file = join(target, 'model.json');
    for (const path of [target, file, pathToFileURL(file), pathToFileURL(target).href]) {
      expectSame(await loadQuantized(fileSystem(path)));
      expectSame(await tf.loadGraphModel(fileSystem(path)));
    }
  });

  it('saves and loads a layers model, and one without weights', async () => {
    const layers = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
    await layers.save(fileSystem(folder));
    const again = await tf.loadLayersModel(fileSystem(folder));
    const x = tf.ones([1, 3]);
    const [y, z] = [layers, again].map((one) => (one.predict(x) as tf.Tensor).dataSync());
    expect(z).to.deep.equal(y);
    const modelTopology = { node: [], versions: {} };
    await fileSystem(folder).save({ modelTopology, weightSpecs: [], format: 'graph-model' });
    const read = await fileSystem(folder).load();
    expect(read).to.deep.include({ modelTopology, weightSpecs: [], format: 'graph-model' });
  });

  it('puts several shards together, of whatever length', async () => {
    const weights = tf.tensor1d(Float32Array.from({ length: 7 }, (_, i) => i));
    const bytes = Buffer.from((weights.dataSync() as Float32Array).buffer);
    const paths = ['a.bin', 'sub/b.bin', 'c.bin'];
    await mkdir(join(folder, 'sub'));
    await writeFile(join(folder, paths[0]!), '');
    await writeFile(join(folder, paths[1]!), bytes.subarray(0, 5));
    await writeFile(join(folder, paths[2]!), bytes.subarray(5));
    const weightSpecs = [{ name: 'w', shape: [7], dtype: 'float32' as const }];
    const weightsManifest = [{ paths, weights: weightSpecs }];
    await writeFile(join(folder, 'model.json'), JSON.stringify({ weightsManifest }));
    const { weightData } = await fileSystem(folder).load();
    expect(new Float32Array(weightData as ArrayBuffer)).to.deep.equal(weights.dataSync());
  });

  it('replaces a model with its shards, and leaves other files', async () => {
    await writeFile(join(folder, 'README'), 'mine');
    const weightsManifest = [{ paths: ['old-1.bin', 'old-2.bin'], weights: [] }];
    await writeFile(join(folder, 'model.json'), JSON.stringify({ weightsManifest }));
    for (const name of ['old-1.bin', 'old-2.bin']) await writeFile(join(folder, name), 'x');
    await saveQuantized(small, fileSystem(folder));
    const left = ['README', 'group1-shard1of1.bin', 'model.json'];
    expect((await readdir(folder)).sort()).to.deep.equal(left);
  });

  it('a save that fails or is aborted leaves the former model, and nothing besides', async () => {
    await saveQuantized(small, fileSystem(folder));
    const before = await readFile(join(folder, 'model.json'), 'utf8');
    const listed = await readdir(folder);
    const files = new Map([
      ['model.json', Buffer.from('{}')],
      ['group1-shard1of1.bin', Buffer.from('x')],
    ]);
    const aborted = await rejection(writeWhole(folder, files, AbortSignal.abort()));
    expect(aborted.name).to.equal('AbortError');
    // a name that no file system takes
    const failed = await rejection(writeWhole(folder, files.set('a\0b', Buffer.from(''))));
    expect(failed).to.be.instanceOf(HadaNormError);
    expect(failed.message).to.include(`${folder} cannot be written: `);
    expect(failed.cause).to.have.property('code', 'ERR_INVALID_ARG_VALUE');
    expect(await readFile(join(folder, 'model.json'), 'utf8')).to.equal(before);
    expect(await readdir(folder)).to.deep.equal(listed);
    expectSame(await loadQuantized(fileSystem(folder)));
  });

  it('a save where no folder can be is an error at once, and leaves no folder', async () => {
    const file = join(folder, 'file');
    await writeFile(file, 'mine');
    const below = await rejection(saveQuantized(small, fileSystem(join(file, 'below'))));
    expect(below).to.be.instanceOf(HadaNormError);
    expect(below.message).to.include('cannot be written: ENOTDIR');
    // Linux has a folder that is there and takes none, for root neither
    if (process.platform === 'linux') {
      const refused = await rejection(writeWhole('/proc/none/below', new Map()));
      expect(refused.message).to.match(
        /^fileSystem.save: .proc.none.below cannot be written: ENOENT/,
      );
    }
    const names = new Map([['a\0b', Buffer.from('')]]);
    await rejection(writeWhole(join(folder, 'new', 'below'), names));
    expect(await readdir(folder)).to.deep.equal(['file']);
  });

  it('says which file is not there', async () => {
    const unwrapped = await rejection(loadQuantized(folder));
    expect(unwrapped).to.be.instanceOf(ModelLoadError);
    expect(unwrapped.message).to.include('pass fileSystem(folder) of');
    const missing = await rejection(tf.loadGraphModel(fileSystem(folder)));
    expect(missing).to.be.instanceOf(ModelLoadError);
    expect(missing.message).to.match(/^fileSystem.load: .*model\.json cannot be read: ENOENT/);
    expect(missing.cause).to.have.property('code', 'ENOENT');
    await saveQuantized(small, fileSystem(folder));
    await rm(join(folder, 'group1-shard1of1.bin'));
    const shard = await rejection(loadQuantized(fileSystem(folder)));
    expect(shard).to.be.instanceOf(ModelLoadError);
    expect(shard.message).to.include('group1-shard1of1.bin cannot be read');
  });

  const weights = [{ name: 'w', shape: [2], dtype: 'float32' }];
  const CONTENTS: readonly [string, unknown, RegExp][] = [
    ['no JSON', 'text', /model\.json is no model: .*JSON/],
    ['no manifest', {}, /weightsManifest must be an array, got nothing/],
    ['paths that are none', { weightsManifest: [{ paths: [3], weights }] }, /a string, got 3/],
    [
      'paths out of the folder',
      { weightsManifest: [{ paths: ['../secret.bin'], weights }] },
      /must be a path within the folder of the model, got "\.\.\/secret\.bin"/,
    ],
    [
      'weights that are none',
      { weightsManifest: [{ paths: [], weights: [{ name: 'w' }] }] },
      /weightSpecs\[0\]\.shape must be an array/,
    ],
    ['too few bytes', { weightsManifest: [{ paths: [], weights }] }, /truncated.*: 0 bytes, not 8/],
  ];
  for (const [what, contents, message] of CONTENTS) {
    it(`refuses ${what}`, async () => {
      const text = typeof contents === 'string' ? contents : JSON.stringify(contents);
      await writeFile(join(folder, 'model.json'), text);
      const error = await rejection(fileSystem(folder).load());
      expect(error).to.be.instanceOf(ModelFormatError);
      expect(error.message).to.match(message);
    });
  }

  it('refuses what is no path', () => {
    for (const path of ['', 'https://host/model.json', new URL('https://host/a'), 3, undefined]) {
      expect(() => fileSystem(path as string)).to.throw(InvalidArgumentError, 'path must be ');
    }
  });
});
