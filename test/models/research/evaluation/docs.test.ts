import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { barsOf } from '../../../../models/research/evaluation/bars.js';
import { evaluationDocs } from '../../../../models/research/evaluation/docs.js';
import {
  type EvaluationFile,
  mergedFiles,
  type OfflineRow,
  type PairedRow,
  readRows,
  readRowsIfAny,
  sameRow,
  writeRows,
} from '../../../../models/research/evaluation/rows.js';
import { HadaNormError } from '../../../../src/index.js';
import { rejection } from '../../../harness/run/rejection.js';

const estimate = (value: number) => ({ value, low: value - 0.001, high: value + 0.001 });
const distances = (fid: number, kid: number) => ({ fid: estimate(fid), kid: estimate(kid) });

const PAIRED: PairedRow = {
  model: 'avatars-nano',
  method: 'hadanorm',
  bits: 'W4A4',
  rounding: 'auto',
  steps: 2,
  seed: 7,
  samples: 64,
  size: 0.2,
  linears: { mean: 20, least: 15, roles: { 'mlp.in': 20 } },
  velocity: { mean: 18, steps: [17, 19] },
  psnr: 25,
  pictures: [25, 25],
  featureDistance: 0.2,
  sameClass: 1,
  sameAttributes: null,
  classAccuracy: 0.95,
  originalAccuracy: 0.96,
};
const OFFLINE: OfflineRow = {
  model: 'avatars-nano',
  method: 'hadanorm',
  bits: 'W8A8',
  rounding: 'auto',
  steps: 2,
  seed: 7,
  count: 64,
  replicates: 100,
  real: distances(1, 0.01),
  original: distances(0.01, 0.0005),
  classAccuracy: 0.99,
};
const FLOOR: OfflineRow = {
  ...OFFLINE,
  method: 'real',
  bits: null,
  rounding: null,
  real: distances(0.05, 0),
  original: null,
  classAccuracy: null,
};
const FILE: EvaluationFile = {
  version: 1,
  paired: [
    PAIRED,
    { ...PAIRED, method: 'rtn', psnr: 22.5, pictures: [22.5, 22.5] },
    { ...PAIRED, method: 'hadamard', psnr: 23.5, pictures: [20, 27] },
  ],
  offline: [FLOOR, OFFLINE],
};

describe('Bars of the evaluation', () => {
  it('are held against the rows, reached or not', () => {
    // errors of 20 and 27 dB together, against 25 dB
    const value = 10 * Math.log10((10 ** 0.5 + 10 ** -0.2) / 2);
    const pooled = `${value.toFixed(2)} dB`;
    expect(barsOf(FILE).map(({ got, reached }) => [got.split(' [')[0], reached])).to.deep.equal([
      ['2.50 dB', false],
      ['2.50 dB', false],
      [pooled, true],
      ['1.50 dB', true],
      ['0.500 · 10⁻³', true],
    ]);
    const far = { ...OFFLINE, original: distances(1, 0.002) };
    expect(barsOf({ ...FILE, paired: [], offline: [FLOOR, far] })[0]!.reached).to.equal(false);
  });

  it('compare rows of one protocol alone', () => {
    const other = { ...PAIRED, method: 'rtn', samples: 32 } as const;
    expect(barsOf({ version: 1, paired: [PAIRED, other], offline: [] })).to.deep.equal([]);
  });
});

describe('docs/evaluation.md', () => {
  const text = evaluationDocs(FILE, ['evaluation-avatars-nano.png']);

  it('has every row, every bar and the commands', () => {
    expect(text).to.include('| W4A4 | rtn | 0.200 × | 20.00 | 15.00 | 18.00 | 22.50 |');
    expect(text).to.include('| ≥ 3 dB | 2.50 dB [2.50, 2.50] | NOT reached |');
    expect(text).to.include('| – | real, held out (floor) | 0.050 [0.049, 0.051] |');
    expect(text).to.include(
      'npm run evaluate -- --model avatars-nano --steps 2 --json out/evaluation/avatars-nano.json',
    );
    expect(text).to.include('--count 64 --replicates 100 --offline --json');
    expect(text).to.include('(evaluation-avatars-nano.png)');
    expect(evaluationDocs(FILE, [])).not.to.include('.png');
  });

  it('every table has as many cells in each of its rows', () => {
    const tables = text.split('\n\n').filter((part) => part.startsWith('|'));
    expect(tables).to.have.length(5);
    for (const table of tables) {
      const cells = table.split('\n').map((line) => line.split('|').length);
      expect(new Set(cells).size, table).to.equal(1);
    }
  });
});

describe('Rows of the evaluation', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'evaluation-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('are read as they were written, infinite decibels too', async () => {
    const file = { ...FILE, paired: [{ ...PAIRED, psnr: Number.POSITIVE_INFINITY }] };
    const path = join(folder, 'new', 'rows.json');
    await writeRows(path, file);
    expect(await readRows(path)).to.deep.equal(file);
    JSON.parse(await readFile(path, 'utf8'));
  });

  it('of several files come together, the last of each measurement', () => {
    const again = { ...PAIRED, psnr: 30 };
    const merged = mergedFiles([FILE, { version: 1, paired: [again], offline: [] }]);
    expect(merged.paired).to.have.length(3);
    expect(sameRow(merged.paired, PAIRED)!.psnr).to.equal(30);
    expect(sameRow(merged.paired, { ...PAIRED, seed: 8 })).to.equal(undefined);
  });

  it('of no file are none; those of another file are refused', async () => {
    expect((await readRowsIfAny(join(folder, 'none.json'))).paired).to.deep.equal([]);
    const path = join(folder, 'other.json');
    await writeFile(path, '{"version": 2}');
    const error = await rejection(readRowsIfAny(path));
    expect(error).to.be.instanceOf(HadaNormError);
    expect(error.message).to.include('holds no rows');
  });
});
