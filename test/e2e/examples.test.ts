import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../scripts/process.js';
import { runNode } from '../harness/child.js';

/** What each example must say; an example without an entry fails the first test. */
const SAYS: Record<string, (stdout: string) => void> = {
  'ops.ts': (stdout) => {
    const errors = [...stdout.matchAll(/error ([\d.]+)/g)].map(([, error]) => Number(error));
    expect(errors).to.have.length(3);
    expect(errors[1]! * 5, 'the error with HadaNorm, fivefold').to.be.below(errors[0]!);
    expect(errors[2], 'chained').to.equal(errors[1]);
    expect(stdout).to.include('gradient of row 0: 0,1,1,1,1,1,1,1');
    expect(stdout).to.include('row 1 of the matrix of size 4: 0.5,-0.5,0.5,-0.5');
    expect(stdout).to.include('(blockSize 2, pad to 1152)');
  },
  'graphModel.ts': (stdout) => {
    expect(stdout).to.include("codes 2,4,12, mean of each sample's channels 2,1,12");
    expect(stdout).to.include('tensors left: 0');
  },
  'quantizeLinear.ts': (stdout) => {
    const row = (name: string) => {
      const line = stdout.split('\n').find((one) => one.includes(name)) ?? '';
      return (line.match(/\d+\.\d/g) ?? []).map(Number);
    };
    const hadaNorm = row('HadaNorm');
    expect(hadaNorm).to.have.length(3);
    for (const other of ['round to nearest', 'SmoothQuant', 'Hadamard (QuaRot)']) {
      const theirs = row(other);
      expect(theirs).to.have.length(3);
      hadaNorm.forEach((sqnr, i) => {
        expect(sqnr, `SQNR beside ${other}`).to.be.above(theirs[i]! + 1);
      });
    }
  },
};

/** Takes a minute: run in quantizeDit.slow.test.ts. */
const SLOW = ['quantizeDit.ts'];

describe('Examples', () => {
  const files = readdirSync(join(ROOT, 'examples')).filter((file) => file.endsWith('.ts'));

  it('every example is run by a test', () => {
    expect(files.sort()).to.deep.equal([...Object.keys(SAYS), ...SLOW].sort());
  });

  for (const file of files.filter((one) => !SLOW.includes(one))) {
    it(`${file} runs as it stands`, () => {
      SAYS[file]!(runNode(['--import', 'tsx', join('examples', file)]).stdout);
    });
  }
});
