import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { PNG } from 'pngjs';
import { DEFAULTS, settingsOf } from '../../examples/quantizeDit/flags.js';
import { reportsPage } from '../../examples/quantizeDit/reportPage.js';
import { summaryTable } from '../../examples/quantizeDit/summary.js';
import { buildDit } from '../../models/builder/dit.js';
import { seededDitWeights } from '../../models/seeded.js';
import { TINY_DIT } from '../../models/tinyDit.js';
import { ROOT } from '../../scripts/process.js';
import { affine } from '../../src/graph/encodings.js';
import { InvalidArgumentError } from '../../src/index.js';
import { reportHtml } from '../../src/report.js';
import { syntheticReport } from '../harness/report/syntheticReport.js';
import { CHILD_ENV, runNode } from '../harness/run/child.js';
import type { Files } from '../harness/run/files.js';

describe('Flags of npm start', () => {
  it('without any it is W4A8 and W4A4 of avatars-nano', () => {
    expect(settingsOf([])).to.deep.equal({
      ...DEFAULTS,
      bits: [
        { name: 'W4A8', weights: 4, activations: 8 },
        { name: 'W4A4', weights: 4, activations: 4 },
      ],
      steps: 20,
      cfg: 1,
      seed: 7,
    });
  });

  it('each is read', () => {
    const flags =
      '--model a/model.json --bits W8A8 --method auto --steps 3 --solver heun --cfg 1.5';
    expect(settingsOf([...flags.split(' '), '--seed', '0', '--out', 'b'])).to.deep.equal({
      model: 'a/model.json',
      bits: [{ name: 'W8A8', weights: 8, activations: 8 }],
      method: 'auto',
      steps: 3,
      solver: 'heun',
      cfg: 1.5,
      seed: 0,
      out: 'b',
    });
  });

  const wrong: readonly (readonly [string, string])[] = [
    ['--bits W4', '--bits must be a list such as W4A8,W4A4, of 2 to 8 bits, got W4.'],
    ['--bits W4A9', '--bits must be a list such as W4A8,W4A4, of 2 to 8 bits, got W4A9.'],
    ['--bits W4A8,', 'got nothing.'],
    ['--bits W4A8,W4A8', '--bits must be a list without repetition, got W4A8,W4A8.'],
    ['--method rtn', '--method must be hadanorm or centered or hadamard or smoothquant or auto'],
    ['--steps 0', '--steps must be an integer ≥ 1, below 2^32, got 0.'],
    ['--steps 2.5', 'got 2.5.'],
    ['--solver rk4', '--solver must be euler or heun, got rk4.'],
    ['--cfg much', '--cfg must be a number, got much.'],
    ['--seed -1', '--seed'],
    ['--out package.json', '--out must be a folder, got package.json.'],
    ['--quiet', 'flags must be --model, --bits, --method'],
    ['avatars', 'flags must be --model'],
  ];
  for (const [flags, message] of wrong) {
    it(`${flags}: a typed error that says what is wanted`, () => {
      expect(() => settingsOf(flags.split(' '))).to.throw(InvalidArgumentError, message);
    });
  }

  it('npm start -- --help tells every flag, and what it means where it is absent', () => {
    const { stdout, stderr } = runNode([
      ...['--import', 'tsx', join('examples', 'quantizeDit.ts'), '--help'],
    ]);
    expect(stderr).to.equal('');
    for (const [name, absent] of Object.entries(DEFAULTS)) {
      expect(stdout).to.match(new RegExp(`^  --${name} [^]*?default ${absent}$`, 'm'));
    }
  });

  for (const flags of [
    ['--steps', 'few'],
    ['--model', 'dall-e'],
  ]) {
    it(`npm start -- ${flags.join(' ')} ends with exit code 2, and writes nothing`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-flags-'));
      const out = join(folder, 'out');
      const command = ['--import', 'tsx', join('examples', 'quantizeDit.ts'), ...flags];
      const { status, stderr } = spawnSync(process.execPath, [...command, '--out', out], {
        cwd: ROOT,
        encoding: 'utf8',
        env: CHILD_ENV,
      });
      expect([status, existsSync(out)], stderr).to.deep.equal([2, false]);
      expect(stderr).to.match(new RegExp(`must be .*, got ${flags[1]}\\.\n$`));
      rmSync(folder, { recursive: true });
    });
  }
});

describe('What npm start shows', () => {
  it('sizes and times are shares of the original in the table', () => {
    const report = syntheticReport({ blocks: 1 });
    const { sqnr, modelBytes } = report.totals;
    const table = summaryTable([
      { name: 'fp32', report: null, likeness: null, stepMs: 80 },
      { name: 'small', report, likeness: { mean: 31.26, worst: 18 }, stepMs: 20 },
    ]);
    const cells = table.split('\n').map((line) => line.split('│').map((cell) => cell.trim()));
    const rows = cells.filter(([, name]) => name === 'fp32' || name === 'small');
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
    const share = `${(modelBytes.after / modelBytes.before).toFixed(3)} ×`;
    expect(rows.map((row) => row.slice(1, -1))).to.deep.equal([
      ['fp32', '–', '–', '–', megabytes(modelBytes.before), '1.000 ×', '1.00 ×'],
      [
        'small',
        `${sqnr!.output.toFixed(1)} dB`,
        '31.3 dB',
        '18.0 dB',
        megabytes(modelBytes.after),
        share,
        '0.25 ×',
      ],
    ]);
  });

  it('a page of one report is that of the report', async () => {
    const report = syntheticReport({ blocks: 1 });
    const title = 'one & only';
    expect(await reportsPage([{ title, report }])).to.equal(await reportHtml(report, { title }));
  });
});

describe('npm start on models of other kinds', function () {
  this.timeout(120_000);
  let folder = '';
  before(async () => {
    await tf.setBackend('cpu');
    folder = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-models-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const config = { ...TINY_DIT, channels: 3 };
  const artifacts = () => buildDit(config, seededDitWeights(config, 1));
  const start = (model: string, out: string) => {
    const command = ['--import', 'tsx', join('examples', 'quantizeDit.ts')];
    const flags = ['--model', join(folder, model, 'model.json'), '--steps', '1'];
    return runNode([...command, ...flags, '--bits', 'W8A8', '--out', join(folder, out)]).stdout;
  };
  const write = (name: string, files: Files) => {
    mkdirSync(join(folder, name));
    for (const [file, bytes] of files) writeFileSync(join(folder, name, file), bytes);
  };

  it('quantizes one whose weights the converter stored in 8 and 16 bits', async () => {
    write('uint8', storedInBits(artifacts()));
    expect(start('uint8', 'first')).to.match(/as it is, rounded to nearest and by hadanorm/);
    expect(readdirSync(join(folder, 'first'))).to.have.members([
      ...['samples.png', 'report.html', 'report-W8A8.json', 'model-W8A8'],
    ]);
  });

  it('draws with what it wrote itself, and says that it is quantized already', () => {
    const stdout = start(join('first', 'model-W8A8'), 'second');
    expect(stdout).to.match(/is quantized already \(9 linears\): its pictures alone are drawn/);
    expect(stdout).to.include('Give the original to --model');
    expect(readdirSync(join(folder, 'second'))).to.deep.equal(['samples.png']);
    const { width, height } = PNG.sync.read(readFileSync(join(folder, 'second', 'samples.png')));
    expect(width).to.be.above(height);
  });
});

/** Float weights as uint8, every third as uint16, as `tensorflowjs_converter --quantize_*` has. */
function storedInBits({ weightSpecs = [], weightData, ...about }: tf.io.ModelArtifacts): Files {
  const data = tf.io.CompositeArrayBuffer.join(weightData);
  let at = 0;
  const parts: Uint8Array[] = [];
  const weights = weightSpecs.map((spec, i): tf.io.WeightsManifestEntry => {
    const bytes = data.slice(at, at + 4 * tf.util.sizeFromShape(spec.shape));
    at += bytes.byteLength;
    const dtype = i % 3 === 0 ? 'uint16' : 'uint8';
    if (spec.dtype !== 'float32') {
      parts.push(new Uint8Array(bytes));
      return spec;
    }
    const { values, quantization } = affine(new Float32Array(bytes), dtype);
    const { scale, min } = quantization as { scale: number; min: number };
    const codes = Array.from(values, (v) => Math.round((v - min) / scale));
    const stored = dtype === 'uint8' ? Uint8Array.from(codes) : Uint16Array.from(codes);
    parts.push(new Uint8Array(stored.buffer));
    return { ...spec, quantization: { dtype, scale, min } };
  });
  const json = { ...about, weightsManifest: [{ paths: ['shard.bin'], weights }] };
  return new Map([
    ['model.json', new TextEncoder().encode(JSON.stringify(json))],
    ['shard.bin', Uint8Array.from(Buffer.concat(parts))],
  ]);
}
