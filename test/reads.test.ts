import { expect } from 'chai';
import { ROOT } from '../scripts/process.js';
import { DOOR, readsOf } from './harness/floors/reads.js';
import { sourcesOf } from './harness/floors/sources.js';

/** A line that reads a tensor, and by what. */
const READS: readonly [string, string][] = [
  ['const a = x.dataSync();', 'dataSync'],
  ["const a = await x.data<'float32'>();", 'data'],
  ['const a = (await y)?.data();', 'data'],
  ['const a = x.arraySync() as number[];', 'arraySync'],
  ['const a = engine().readSync(dataId);', 'readSync'],
  ['const read = tensor.dataSync.bind(tensor);', 'dataSync'],
  ['const { dataSync } = x;', 'dataSync'],
  ["import { whereAsync } from '@tensorflow/tfjs-core';", 'whereAsync'],
];

describe('Tensors are read by one door', () => {
  it('no file of src, of the demo, and of ops but for kernels reads one around it', () => {
    const sources = sourcesOf(ROOT, ['src', 'examples/browser', 'ops']);
    expect([...sources.keys()]).to.include('src/calibrate/collector.ts');
    const own = [...sources].filter(([file]) => !file.startsWith('ops/wasm/assembly/'));
    expect(own.flatMap(([file, text]) => readsOf(file, text))).to.deep.equal([]);
  });

  for (const [text, name] of READS) {
    it(`${text} is said`, () => {
      expect(readsOf('src/a.ts', `\n${text}`)).to.deep.equal([
        `src/a.ts:2 reads a tensor by ${name}; valuesOf and fetchValues of ${DOOR} do.`,
      ]);
    });
  }

  it('only the door and kernels may', () => {
    const text = 'const a = x.dataSync();';
    expect(readsOf(DOOR, text)).to.deep.equal([]);
    expect(readsOf('ops/fakeQuant/node.ts', text)).to.deep.equal([]);
    expect(readsOf('ops/fakeQuant/op.ts', text)).to.have.length(1);
  });

  it('what has such a name and is no call, or is a word, is none', () => {
    const text =
      '// x.dataSync()\nconst a = event.data;\nconst b = bytes.buffer;\nconst c = "data()";';
    expect(readsOf('src/a.ts', text)).to.deep.equal([]);
  });
});
