import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { barsOf } from '../../../../models/research/evaluation/bars.js';
import {
  meanDifference,
  pooledDifference,
  verdictOf,
} from '../../../../models/research/evaluation/differences.js';
import { evaluationDocs } from '../../../../models/research/evaluation/docs.js';
import { figuresOf } from '../../../../models/research/evaluation/figure.js';
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
  configuration: 'hadanorm',
  bits: 'W4A4',
  steps: 2,
  seed: 7,
  backend: 'wasm',
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
  configuration: 'hadanorm',
  bits: 'W8A8',
  steps: 2,
  seed: 7,
  backend: 'wasm',
  count: 64,
  replicates: 100,
  real: distances(1, 0.01),
  original: distances(0.01, 0.0005),
  classAccuracy: 0.99,
};
const FLOOR: OfflineRow = {
  ...OFFLINE,
  configuration: 'real',
  bits: null,
  real: distances(0.05, 0),
  original: null,
  classAccuracy: null,
};
const FILE: EvaluationFile = {
  version: 2,
  paired: [
    PAIRED,
    { ...PAIRED, configuration: 'gptq', psnr: 22.5, pictures: [22.5, 22.5] },
    { ...PAIRED, configuration: 'hadamard', size: 0.18, psnr: 23.5, pictures: [20, 27] },
    { ...PAIRED, configuration: 'hadamard-preset', pictures: [26, 28] },
  ],
  offline: [FLOOR, OFFLINE],
};

describe('Bars of the evaluation', () => {
  it('are held against the rows by the lower end of the interval, reached or not', () => {
    expect(barsOf(FILE).map(({ got, reached }) => [got.split(' [')[0], reached])).to.deep.equal([
      ['+1.50', false],
      ['+2.50', false],
      ['−2.00', false],
      ['0.200 ×', true],
      ['18.00 dB', false],
      ['0.500 · 10⁻³', true],
    ]);
    const velocity = { mean: 27, steps: [27, 27] };
    const better = { ...PAIRED, size: 0.21, pictures: [29, 31], velocity };
    const others = FILE.paired.slice(1);
    expect(
      barsOf({ ...FILE, paired: [better, ...others] }).map(({ reached }) => reached),
    ).to.deep.equal([true, true, true, false, true, true]);
    const far = { ...OFFLINE, original: distances(1, 0.002) };
    expect(barsOf({ ...FILE, paired: [], offline: [FLOOR, far] })[0]!.reached).to.equal(false);
    const few = { ...OFFLINE, bits: 'W4A8', original: distances(1, 0.0049) };
    expect(barsOf({ ...FILE, paired: [], offline: [few] })[0]!.reached).to.equal(true);
  });

  it('compare rows of the same pictures on the same backend alone', () => {
    for (const apart of [{ samples: 32 }, { backend: 'webgpu' }] as const) {
      const other = { ...PAIRED, configuration: 'hadamard', ...apart } as const;
      const bars = barsOf({ version: 2, paired: [PAIRED, other], offline: [] });
      expect(bars.map(({ got }) => got)).to.deep.equal(['0.200 ×', '18.00 dB']);
    }
  });
});

describe('Differences of pictures', () => {
  const row = (pictures: number[]) => ({ ...PAIRED, pictures });

  it('are pair by pair: the interval is that of the differences, not of the pictures', () => {
    const spread = Array.from({ length: 60 }, (_, i) => 10 + i);
    const above = spread.map((psnr, i) => psnr + 1 + (i % 2));
    const { value, low, high } = meanDifference(row(above), row(spread));
    expect(value).to.be.closeTo(1.5, 1e-9);
    expect(high - low).to.be.within(0.15, 0.35);
    expect(meanDifference(row(above), row(spread)), 'seeded').to.deep.equal({ value, low, high });
  });

  it('of all together are of the errors, which the worst decides', () => {
    // errors of 20 and 27 dB together, against 25 dB
    const value = 10 * Math.log10((10 ** 0.5 + 10 ** -0.2) / 2);
    const own = pooledDifference(row([25, 25]), row([20, 27])).value;
    expect(own).to.be.closeTo(value, 1e-9);
  });

  it('of pictures that are both exact are 0', () => {
    const exact = row([Number.POSITIVE_INFINITY, 30]);
    expect(meanDifference(exact, exact)).to.deep.equal({ value: 0, low: 0, high: 0 });
  });

  it('are above or below where the whole interval is', () => {
    const verdicts = [
      [0.1, 2],
      [-2, -0.1],
      [-0.1, 2],
    ].map(([low, high]) => verdictOf({ value: 0, low: low!, high: high! }));
    expect(verdicts).to.deep.equal(['above', 'below', 'not told apart']);
  });
});

describe('docs/evaluation.md', () => {
  const text = evaluationDocs(FILE, ['evaluation-avatars-nano.png']);

  /** Without the ends of the intervals, which are the bootstrap's business. */
  const plain = text.replace(/\[[−+][\d.]+, [−+][\d.]+\]/g, '[]');

  it('has the answer first, then every row, every bar and the commands', () => {
    const answer =
      '| avatars-nano | W4A4 | WASM | 64 | 0.200 × | 25.00 | 0.180 × | +1.50 [] | not told ' +
      'apart | 0.200 × | −2.00 [] | below |';
    expect(plain).to.include(answer);
    expect(plain.indexOf(answer)).to.be.below(plain.indexOf('| `rtn` | no transform, to nearest'));
    const other = '| W4A4 | gptq | 0.200 × | 22.50 | 22.50 | −1.00 [] | not told apart |';
    expect(plain).to.include(other);
    expect(text).to.include('| W4A4 | hadamard | 0.180 × | 23.50 | 23.50 | – | – | 20.00 |');
    expect(text).to.include('| ≥ 3 dB | +2.50 [+2.50, +2.50] dB | NOT reached |');
    expect(text).to.include('| – | real, held out (floor) | 0.050 [0.049, 0.051] |');
    expect(text).to.include(
      'npm run evaluate -- --model avatars-nano --steps 2 --samples 64 --json out/evaluation/',
    );
    expect(text).to.include('--count 64 --replicates 100 --offline --json');
    expect(text).to.include('(evaluation-avatars-nano.png)');
    expect(text).to.include('(evaluation-avatars-nano.svg)');
    expect(evaluationDocs(FILE, [])).not.to.include('(evaluation-avatars-nano.png)');
  });

  it('has a figure of quality against bytes for each model: a mark for each row', async () => {
    const [figure, ...others] = await figuresOf(FILE.paired);
    expect(others).to.deep.equal([]);
    expect(figure!.name).to.equal('evaluation-avatars-nano.svg');
    expect(figure!.svg.startsWith('<svg')).to.equal(true);
    expect(figure!.svg).to.include('hadamard W4A4 23.5 dB at 0.180 of the bytes');
    const marks = figure!.svg.match(/<g [^>]*mark-symbol role-mark[^>]*>(.*?)<\/g>/)![1]!;
    expect(marks.match(/<path /g)).to.have.length(FILE.paired.length);
    const none = await figuresOf(FILE.paired.map((row) => ({ ...row, bits: 'W8A8' })));
    expect(none).to.deep.equal([]);
  });

  it('every table has as many cells in each of its rows', () => {
    const tables = text
      .trim()
      .split('\n\n')
      .filter((part) => part.startsWith('|'));
    expect(tables).to.have.length(8);
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
    const merged = mergedFiles([FILE, { version: 2, paired: [again], offline: [] }]);
    expect(merged.paired).to.have.length(4);
    expect(sameRow(merged.paired, PAIRED)!.psnr).to.equal(30);
    expect(sameRow(merged.paired, { ...PAIRED, seed: 8 })).to.equal(undefined);
  });

  it('of no file are none; those of another file, or of old rows, are refused', async () => {
    expect((await readRowsIfAny(join(folder, 'none.json'))).paired).to.deep.equal([]);
    const path = join(folder, 'other.json');
    for (const [content, message] of [
      ['{"version": 2}', 'holds no rows'],
      ['null', 'holds no rows'],
      ['{"version": 1, "paired": [], "offline": []}', 'rows of version 1, wanted version 2'],
    ] as const) {
      await writeFile(path, content);
      const error = await rejection(readRowsIfAny(path));
      expect(error).to.be.instanceOf(HadaNormError);
      expect(error.message).to.include(message);
    }
  });
});
