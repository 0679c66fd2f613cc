import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../scripts/process.js';
import { runNode } from '../harness/run/child.js';

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
  'quantizationAwareTraining.ts': (stdout) => {
    const row = (name: string) => {
      const [, accuracy, loss] =
        new RegExp(`│ ${name} +│ +([\\d.]+) % │ +([\\d.]+) │`).exec(stdout) ?? [];
      return { accuracy: Number(accuracy), loss: Number(loss) };
    };
    const float = row('float32');
    expect(float.accuracy).to.be.at.least(97);
    const [after, aware] = ['quantized after training', 'quantization-aware'].map((how) =>
      row(`W2A2, ${how}`),
    );
    expect(after!.accuracy, 'after training').to.be.at.most(float.accuracy - 5);
    // most of what was lost
    const regained = aware!.accuracy - after!.accuracy;
    expect(regained).to.be.at.least(0.6 * (float.accuracy - after!.accuracy));
    expect(aware!.loss).to.be.below(after!.loss / 2);
    expect(row('W3A3, quantization-aware').accuracy).to.be.at.least(float.accuracy - 1.5);
    const eager = /Eager code, W2A2, 40 steps: accuracy ([\d.]+) % → ([\d.]+) %/.exec(stdout);
    expect(Number(eager?.[2])).to.be.at.least(Number(eager?.[1]) + 3);
    const through = /Through fakeQuant alone ([\d.]+), through tf.round ([\d.]+)/.exec(stdout);
    expect(Number(through?.[1])).to.be.above(1);
    expect(through?.[2], 'through tf.round').to.equal('0.0000');
    expect(stdout).to.include('Saved and loaded: the loss differs by 0\n');
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
