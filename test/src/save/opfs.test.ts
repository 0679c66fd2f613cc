import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  AbortedError,
  HadaNormError,
  InvalidArgumentError,
  loadQuantized,
  ModelFormatError,
  ModelLoadError,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { opfs } from '../../../src/load.js';
import { tinyBatch, tinyDit, velocityOf } from '../../harness/models/tinyDit.js';
import { MemoryFolder } from '../../harness/run/memoryFolder.js';
import { rejection } from '../../harness/run/rejection.js';

describe('A model in a browser’s own files', () => {
  let small: tf.GraphModel;
  const root = () => new MemoryFolder();
  const output = (model: tf.GraphModel) => {
    const batch = tinyBatch(3);
    const values = velocityOf(model, batch);
    tf.dispose(batch);
    return values;
  };

  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit();
    small = rewriteGraph(model, { method: 'hadamard' }).model;
    model.dispose();
  });
  after(() => small.dispose());

  it('gives the same outputs to the bit, with progress of every file', async () => {
    // a page has the real ones
    const own = globalThis.navigator?.storage?.getDirectory === undefined;
    const options = own ? { root: root().handle } : {};
    const seen: string[] = [];
    const onProgress = ({
      stage,
      done,
      total,
    }: {
      stage: string;
      done: number;
      total: number | null;
    }) => seen.push(`${stage} ${done} of ${total}`);
    await saveQuantized(small, opfs('models/tiny', { ...options, onProgress }));
    const again = await loadQuantized(opfs('models/tiny', { ...options, onProgress }));
    expect(output(again)).to.deep.equal(output(small));
    expect(seen).to.deep.equal(['save 1 of 2', 'save 2 of 2', 'load 1 of 1']);
    again.dispose();
  });

  it('takes the place of the former one, whose files go', async () => {
    const folder = root();
    for (let i = 0; i < 3; i++) await saveQuantized(small, opfs('a', { root: folder.handle }));
    expect([...folder.folder('a').files.keys()].sort()).to.deep.equal([
      'group1-shard1of1.bin',
      'model.json',
    ]);
  });

  it('stays as it was where a save is cancelled, or has no room', async () => {
    const folder = root();
    await saveQuantized(small, opfs('a', { root: folder.handle }));
    const before = new Map(folder.folder('a').files);
    const controller = new AbortController();
    const cancelled = opfs('a', {
      ...{ root: folder.handle, signal: controller.signal },
      onProgress: () => controller.abort(),
    });
    expect(await rejection(saveQuantized(small, cancelled))).to.be.instanceOf(AbortedError);
    expect(folder.folder('a').files).to.deep.equal(before);
    folder.folder('a').room = 10;
    const full = await rejection(saveQuantized(small, opfs('a', { root: folder.handle })));
    expect(full).to.be.instanceOf(HadaNormError);
    expect((full as Error).message).to.match(/^opfs\.save: a cannot be written: .*no more room/);
    expect(folder.folder('a').files).to.deep.equal(before);
  });

  it('is a typed error where it is not there, cut off, or no model', async () => {
    const folder = root();
    const load = () => loadQuantized(opfs('a', { root: folder.handle }));
    expect(await rejection(load())).to.be.instanceOf(ModelLoadError);
    await saveQuantized(small, opfs('a', { root: folder.handle }));
    const { files } = folder.folder('a');
    const shard = 'group1-shard1of1.bin';
    files.set(shard, files.get(shard)!.slice(1));
    expect(await rejection(load())).to.be.instanceOf(ModelFormatError);
    files.delete(shard);
    expect(await rejection(load())).to.be.instanceOf(ModelLoadError);
    files.set('model.json', new TextEncoder().encode('{"weightsManifest": 3}'));
    expect(await rejection(load())).to.be.instanceOf(ModelFormatError);
    const controller = new AbortController();
    controller.abort();
    const aborted = opfs('a', { root: folder.handle, signal: controller.signal });
    expect(await rejection(loadQuantized(aborted))).to.be.instanceOf(AbortedError);
  });

  it('refuses what is no path within it', () => {
    for (const folder of ['', 'a//b', '../a', '/a', 3]) {
      expect(() => opfs(folder as string), `${folder}`).to.throw(InvalidArgumentError, 'folder');
    }
  });
});
