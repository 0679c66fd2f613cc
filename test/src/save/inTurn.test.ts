import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { Progress } from '../../../ops/common/progress.js';
import {
  AbortedError,
  loadQuantized,
  ModelFormatError,
  quantizedFiles,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { fileSystem } from '../../../src/node.js';
import { tinyBatch, tinyDit, velocityOf } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';
import { savedBy } from '../../harness/run/savedBy.js';

describe('Weights in their turn, of fileSystem', () => {
  let folder = '';
  let small: tf.GraphModel;

  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit({ hiddenSize: 16 });
    ({ model: small } = rewriteGraph(model, { method: 'hadamard', compare: false }));
    model.dispose();
  });
  after(() => small.dispose());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'in-turn-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const count = () => Object.keys(small.weights).length;

  it('are the very bytes that a handler of artifacts gets, and are told one by one', async () => {
    const given = await savedBy((handler) => saveQuantized(small, handler));
    const told: Progress[] = [];
    const { modelArtifactsInfo } = await saveQuantized(small, fileSystem(folder), {
      onProgress: (progress) => told.push(progress),
    });
    const { weightData, ...topology } = await fileSystem(folder).load();
    expect(new Uint8Array(weightData as ArrayBuffer)).to.deep.equal(
      new Uint8Array(given.weightData as ArrayBuffer),
    );
    expect(topology.userDefinedMetadata).to.deep.equal(given.userDefinedMetadata);
    expect(modelArtifactsInfo.weightDataBytes).to.equal((weightData as ArrayBuffer).byteLength);
    expect(told.map(({ done }) => done)).to.deep.equal(told.map((_, i) => i + 1));
    expect(told.at(-1)).to.include({ stage: 'save', done: count(), total: count() });
  });

  it('load, and the model keeps no data beside its tensors', async () => {
    await saveQuantized(small, fileSystem(folder));
    await expectNoLeakAsync(async () => {
      const again = await loadQuantized(fileSystem(folder));
      const { artifacts } = again as unknown as { artifacts: tf.io.ModelArtifacts };
      const held = Object.getOwnPropertyDescriptor(artifacts, 'weightData');
      expect(held).to.not.have.property('value');
      expect(velocityOf(again, tinyBatch(1))).to.deep.equal(velocityOf(small, tinyBatch(1)));
      // what it would be saved as is what it came from
      expect(await quantizedFiles(again)).to.deep.equal(await quantizedFiles(small));
      again.dispose();
    });
  });

  it('that were altered are refused, and nothing is left of those before', async () => {
    await saveQuantized(small, fileSystem(folder));
    const file = join(folder, 'group1-shard1of1.bin');
    const bytes = await readFile(file);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    await expectNoLeakAsync(async () => {
      const error = await rejection(loadQuantized(fileSystem(folder)));
      expect(error).to.be.instanceOf(ModelFormatError);
      expect(error.message).to.match(/the weight .* was altered/);
    });
  });

  it('are stopped by a signal half way: nothing is left, and the former model stays', async () => {
    await saveQuantized(small, fileSystem(folder));
    const before = await stat(join(folder, 'model.json'));
    await expectNoLeakAsync(async () => {
      const abort = new AbortController();
      const { signal } = abort;
      const onProgress = () => abort.abort();
      const error = await rejection(
        saveQuantized(small, fileSystem(folder), { signal, onProgress }),
      );
      expect(error).to.be.instanceOf(AbortedError);
    });
    expect((await readdir(folder)).sort()).to.deep.equal(['group1-shard1of1.bin', 'model.json']);
    expect((await stat(join(folder, 'model.json'))).mtimeMs).to.equal(before.mtimeMs);
  });
});
