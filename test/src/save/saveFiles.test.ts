import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { Progress } from '../../../ops/common/progress.js';
import {
  loadQuantized,
  ModelFormatError,
  ModelLoadError,
  quantizedFiles,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { tinyBatch, tinyDit, velocityOf } from '../../harness/models/tinyDit.js';
import { fromFiles, withServer } from '../../harness/run/files.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

async function smallModel(): Promise<tf.GraphModel> {
  const model = await tinyDit({ hiddenSize: 16 });
  const { model: small } = rewriteGraph(model, { method: 'hadamard', compare: false });
  model.dispose();
  return small;
}

describeOnBackends('The files of a rewritten model', (backend) => {
  let small: tf.GraphModel;
  let expected: Float32Array;

  before(async () => {
    small = await smallModel();
    expected = velocityOf(small, tinyBatch(1));
  });
  after(() => small.dispose());

  const expectSame = async (model: tf.GraphModel) => {
    expect(velocityOf(model, tinyBatch(1))).to.deep.equal(expected);
    model.dispose();
  };

  for (const shardBytes of [997, 4096, 10_001, 2 ** 22]) {
    it(`load again in shards of ${shardBytes} bytes`, async () => {
      await expectNoLeakAsync(async () => {
        const files = await quantizedFiles(small, { shardBytes });
        const shards = [...files].filter(([name]) => name !== 'model.json');
        shards.forEach(([name, bytes], i) => {
          expect(name).to.equal(`group1-shard${i + 1}of${shards.length}.bin`);
          const isLast = i === shards.length - 1;
          expect(bytes.length).to.be.at.most(shardBytes);
          if (!isLast) expect(bytes.length).to.equal(shardBytes);
        });
        await expectSame(await loadQuantized(fromFiles(files)));
        await expectSame(await tf.loadGraphModel(fromFiles(files)));
      });
    });
  }

  it('load over HTTP', async () => {
    await withServer(await quantizedFiles(small, { shardBytes: 3001 }), async (url) => {
      await expectSame(await loadQuantized(`${url}/model.json`));
      await expectSame(await loadQuantized(tf.io.http(`${url}/model.json`)));
      await expectSame(await tf.loadGraphModel(`${url}/model.json`));
    });
  });

  it('over HTTP with one missing, or altered, are refused', async () => {
    const files = new Map<string, Uint8Array>(await quantizedFiles(small, { shardBytes: 3001 }));
    const [, second] = files.keys();
    const whole = files.get(second!)!;
    const altered = whole.map((byte, i) => (i === 700 ? byte ^ 4 : byte));
    const cases = [
      [ModelLoadError, new Map([...files].filter(([name]) => name !== second)), `404 .*/${second}`],
      [ModelFormatError, new Map([...files, [second!, altered]]), 'was altered'],
      [ModelFormatError, new Map([...files, [second!, whole.slice(1)]]), 'truncated'],
      [ModelLoadError, new Map<string, Uint8Array>(), '404 .*/model.json'],
    ] as const;
    for (const [type, damaged, message] of cases) {
      await withServer(damaged, async (url) => {
        const json = `${url}/model.json`;
        for (const options of [{}, { streamWeights: true }]) {
          for (const source of [json, tf.io.http(json, options)]) {
            await expectNoLeakAsync(async () => {
              const error = await rejection(loadQuantized(source, options));
              expect(error).to.be.instanceOf(type);
              expect(error.message).to.match(new RegExp(`^loadQuantized: .*${message}`));
            });
          }
        }
      });
    }
  });

  it('load over HTTP as a stream', async () => {
    const files = await quantizedFiles(small, { shardBytes: 3001 });
    const told: string[] = [];
    const onProgress = ({ done, total, name }: Progress) => told.push(`${done}/${total} ${name}`);
    await withServer(files, async (url) => {
      const options = { streamWeights: true, onProgress };
      await expectSame(await loadQuantized(`${url}/model.json`, options));
    });
    const total = files.size + 1;
    const wanted = [...files.keys(), ''].map((name, i) => `${i + 1}/${i && total} ${name}`);
    expect(told).to.deep.equal(wanted.with(0, '1/null model.json'));
  });

  if (backend !== 'tensorflow') return;

  it('go through tfjs-node’s file handler, both ways', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hadanorm-'));
    try {
      const url = pathToFileURL(folder).href;
      await saveQuantized(small, url);
      await expectSame(await loadQuantized(`${url}/model.json`));
      await expectSame(await tf.loadGraphModel(`${url}/model.json`));
      const files = await quantizedFiles(small, { shardBytes: 4097 });
      const sizes = [...files].filter(([name]) => name !== 'model.json');
      const total = sizes.reduce((sum, [, bytes]) => sum + bytes.length, 0);
      expect((await stat(join(folder, 'weights.bin'))).size).to.equal(total);
      await rm(join(folder, 'weights.bin'));
      for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
      await expectSame(await loadQuantized(`${url}/model.json`));
      const text = await readFile(join(folder, 'model.json'), 'utf8');
      await writeFile(join(folder, 'model.json'), text.slice(0, 1000));
      const error = await rejection(loadQuantized(`${url}/model.json`));
      expect(error).to.be.instanceOf(ModelFormatError);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
