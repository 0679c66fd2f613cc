import { expect } from 'chai';
import { shardPaths } from '../../../src/save/modelFiles.js';
import { ShardWriter } from '../../../src/save/shardWriter.js';
import { MemoryFolder } from '../../harness/run/memoryFolder.js';

describe('Data in files of one length', () => {
  const CASES: readonly [lengths: readonly number[], files: readonly number[]][] = [
    [[], [0]],
    [[7], [7]],
    [[8], [8]],
    [[9], [8, 1]],
    [
      [3, 0, 4, 9],
      [8, 8],
    ],
    [
      [20, 1],
      [8, 8, 5],
    ],
  ];
  for (const [lengths, files] of CASES) {
    it(`weights of ${lengths} bytes are in files of ${files}`, async () => {
      const folder = new MemoryFolder();
      const total = lengths.reduce((sum, n) => sum + n, 0);
      const all = Uint8Array.from({ length: total }, (_, i) => i);
      const paths = shardPaths(total, 8, 'group1');
      const told: string[] = [];
      const writer = new ShardWriter(folder.handle, paths, 8, (path) => told.push(path));
      let at = 0;
      for (const length of lengths) {
        await writer.write(all.slice(at, at + length).buffer);
        at += length;
      }
      await writer.end();
      expect(paths.map((path) => folder.files.get(path)?.length)).to.deep.equal([...files]);
      expect(paths.flatMap((path) => [...folder.files.get(path)!])).to.deep.equal([...all]);
      expect(told).to.deep.equal(paths);
      await writer.undo();
      expect(folder.files.size).to.equal(0);
    });
  }
});
