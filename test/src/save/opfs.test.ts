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
import { expectNoLeakAsync } from '../../harness/run/memory.js';
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

  it('goes through tfjs’s own functions, both ways', async () => {
    const folder = root();
    const target = opfs('a', { root: folder.handle });
    await saveQuantized(small, target);
    const plain = await tf.loadGraphModel(target);
    expect(output(plain)).to.deep.equal(output(small));
    const { modelArtifactsInfo } = await plain.save(opfs('b', { root: folder.handle }));
    const { files } = folder.folder('b');
    expect(modelArtifactsInfo.weightDataBytes).to.equal(files.get('group1-shard1of1.bin')!.length);
    const again = await tf.loadGraphModel(opfs('b', { root: folder.handle }));
    expect(output(again)).to.deep.equal(output(small));
    tf.dispose([plain.weights, again.weights]);
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
    for (const stop of [1, 20]) {
      // amid a file
      const abort = new AbortController();
      const onProgress = ({ done }: { done: number }) => done === stop && abort.abort();
      const saving = saveQuantized(small, opfs('a', { root: folder.handle }), {
        ...{ signal: abort.signal, onProgress },
      });
      expect(await rejection(saving)).to.be.instanceOf(AbortedError);
      expect(folder.folder('a').files).to.deep.equal(before);
    }
    folder.folder('a').room = 10;
    const full = await rejection(saveQuantized(small, opfs('a', { root: folder.handle })));
    expect(full).to.be.instanceOf(HadaNormError);
    expect((full as Error).message).to.match(/^opfs\.save: a cannot be written: .*no more room/);
    expect(folder.folder('a').files).to.deep.equal(before);
  });

  it('has nothing left of a page that was closed amid a save', async () => {
    const folder = root();
    const a = await folder.getDirectoryHandle('a', { create: true });
    const files = ['group1-shard1of9.bin', 'group2-shard1of1.bin', 'notes.txt'];
    for (const name of files) a.files.set(name, new Uint8Array([1]));
    const found = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
    const storage = { getDirectory: async () => folder.handle };
    Object.defineProperty(globalThis, 'navigator', { value: { storage }, configurable: true });
    try {
      await saveQuantized(small, opfs('a'));
      const kept = ['group1-shard1of1.bin', 'model.json', 'notes.txt'];
      expect([...a.files.keys()].sort()).to.deep.equal(kept);
      (await loadQuantized(opfs('a'))).dispose();
      // a folder that the user picked is theirs
      a.files.set('group3-shard1of1.bin', new Uint8Array([1]));
      await saveQuantized(small, opfs('a', { root: folder.handle }));
      expect([...a.files.keys()]).to.include('group3-shard1of1.bin');
    } finally {
      Reflect.deleteProperty(globalThis, 'navigator');
      if (found !== undefined) Object.defineProperty(globalThis, 'navigator', found);
    }
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
  });

  it('leaves no tensor where loading is cancelled, or finds what was altered', async () => {
    const folder = root();
    await saveQuantized(small, opfs('a', { root: folder.handle }));
    const controller = new AbortController();
    const { signal } = controller;
    const load = (options = {}) => loadQuantized(opfs('a', { root: folder.handle, ...options }));
    await expectNoLeakAsync(async () => {
      // behind the first piece, from which weights are made
      const onProgress = () => controller.abort();
      expect(await rejection(load({ signal, onProgress }))).to.be.instanceOf(AbortedError);
      expect(await rejection(load({ signal }))).to.be.instanceOf(AbortedError);
      const { files } = folder.folder('a');
      const shard = 'group1-shard1of1.bin';
      const bytes = files.get(shard)!;
      files.set(shard, bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1));
      const altered = await rejection(load());
      expect(altered).to.be.instanceOf(ModelFormatError);
      expect((altered as Error).message).to.match(/^loadQuantized: the weight .* was altered/);
      files.set(shard, new Uint8Array([...bytes, 1]));
      expect(((await rejection(load())) as Error).message).to.match(/1 bytes .* behind those/);
    });
  });

  it('refuses what is no path within it', () => {
    for (const folder of ['', 'a//b', '../a', '/a', 3]) {
      expect(() => opfs(folder as string), `${folder}`).to.throw(InvalidArgumentError, 'folder');
    }
  });
});
