import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../scripts/process.js';
import { CalibrationStats } from '../../src/index.js';
import { fileSystem } from '../../src/node.js';
import { statsDistance } from '../harness/models/siteReference.js';
import { tinyArtifacts } from '../harness/models/tinyDit.js';
import { CHILD_ENV } from '../harness/run/child.js';

const BIN = [
  ...['--import', import.meta.resolve('tsx')],
  join(ROOT, 'src', 'bin', 'main.ts'),
] as const;
const SHARDS = 2;
const SAMPLED = '--trajectories 4 --batch-size 2 --steps 2 --backend cpu'.split(' ');

describe('Calibration in processes of their own', () => {
  let folder: string;
  let model: string;
  let whole: CalibrationStats;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hadanorm shards-'));
    model = join(folder, 'model');
    await fileSystem(model).save(tinyArtifacts({ depth: 1, hiddenSize: 16 }));
    await run('calibrate', model, ...SAMPLED, '-o', join(folder, 'whole.stats'));
    whole = statsIn('whole.stats');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** A process of the command line. */
  function run(...args: string[]): Promise<void> {
    const child = spawn(process.execPath, [...BIN, ...args], { cwd: folder, env: CHILD_ENV });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    return new Promise((resolve, reject) => {
      child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(stderr))));
    });
  }

  function statsIn(file: string): CalibrationStats {
    return CalibrationStats.deserialize(new Uint8Array(readFileSync(join(folder, file))));
  }

  it('in shards at the same time, merged, is what one run gives', async () => {
    const parts = Array.from({ length: SHARDS }, (_, i) => `part-${i + 1}.stats`);
    await Promise.all(
      parts.map((part, i) =>
        run('calibrate', model, ...SAMPLED, '--shard', `${i + 1}/${SHARDS}`, '-o', part),
      ),
    );
    await run('merge', ...parts, '-o', 'merged.stats');
    const merged = statsIn('merged.stats');
    expect(merged.batches).to.equal(whole.batches);
    expect(statsDistance(merged, whole)).to.be.at.most(1e-6);
    const batches = parts.map((part) => statsIn(part).batches);
    expect(batches).to.deep.equal(batches.map(() => whole.batches / SHARDS));
  });

  const found = spawnSync('parallel', ['--version'], { encoding: 'utf8' });
  if (!`${found.stdout}`.startsWith('GNU parallel')) {
    it.skip('SKIPPED: there is no GNU parallel; apt install parallel');
    return;
  }

  it('by parallel.sh is the same, and no part is left', () => {
    // a name without spaces, for it may be several words
    const command = join(mkdtempSync(join(tmpdir(), 'hadanorm-')), 'hadanorm');
    const words = [process.execPath, ...BIN].map((word) => `'${word}'`).join(' ');
    writeFileSync(command, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    const script = join(ROOT, 'examples', 'distributed', 'parallel.sh');
    const own = { SHARDS: `${SHARDS}`, HADANORM: command, TMPDIR: folder };
    const env = { ...CHILD_ENV, ...own };
    const args = [script, model, join(folder, 'parallel.stats'), ...SAMPLED];
    const { status, stderr } = spawnSync('sh', args, { cwd: folder, encoding: 'utf8', env });
    expect(status, stderr).to.equal(0);
    expect(statsDistance(statsIn('parallel.stats'), whole)).to.be.at.most(1e-6);
    rmSync(dirname(command), { recursive: true });
    expect(readdirSync(folder).filter((name) => name.startsWith('tmp'))).to.deep.equal([]);
  });
});
