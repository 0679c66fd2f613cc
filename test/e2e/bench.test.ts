import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../scripts/process.js';
import { median, race } from '../bench/harness.js';
import { CHILD_ENV, runNode } from '../harness/run/child.js';

const MAIN = join('test', 'bench', 'main.ts');

describe('Benchmark harness', () => {
  it('the median of an even number is the mean of the middle two, in any order', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([5])]).to.deep.equal([2, 2.5, 5]);
  });

  it('contenders are warmed up, then run in turn; the ratio is times faster', async () => {
    const order: string[] = [];
    const busy = (name: string, ms: number) => ({
      name,
      run: () => {
        order.push(name);
        for (const start = performance.now(); performance.now() - start < ms; );
      },
    });
    const one = {
      name: 'wait',
      prepare: () => ({ ours: [busy('fast', 25)], peers: [busy('slow', 75)] }),
    };
    const [row] = await race('test', one, { rounds: 4, warmMs: 40 });
    expect(order.join(' ')).to.equal('fast fast slow slow fast slow slow fast fast slow slow fast');
    expect(row!.ratio)
      .to.equal(row!.peerMs / row!.oursMs)
      .and.to.be.within(1.5, 6);
  });

  it('each of ours has a row for each peer, with its bar; all is disposed of', async () => {
    const noop = (name: string) => ({ name, run: () => {} });
    let open = 0;
    const caseOf = (more: { name: string; run: () => void }[]) => ({
      name: 'several',
      prepare: () => {
        open++;
        const ours = [{ ...noop('a'), bars: { y: 2 } }, noop('b'), ...more];
        return { ours, peers: [noop('x'), noop('y')], dispose: () => void open-- };
      },
    });
    const rows = await race('test', caseOf([]), { rounds: 1, warmMs: 0 });
    expect(rows.map(({ ours, peer, bar }) => [ours, peer, bar])).to.deep.equal([
      ['a', 'x', undefined],
      ['a', 'y', 2],
      ['b', 'x', undefined],
      ['b', 'y', undefined],
    ]);
    expect('bar' in rows[0]!).to.equal(false);
    const throwing = {
      name: 'c',
      run: () => {
        throw new Error('broken');
      },
    };
    await race('test', caseOf([throwing]), { warmMs: 0 }).then(
      () => expect.fail('the error was lost'),
      (error: Error) => expect(error.message).to.equal('broken'),
    );
    expect(open).to.equal(0);
  });

  it('an abort ends a race', async () => {
    const abort = new AbortController();
    const contender = { name: 'x', run: () => abort.abort(new Error('enough')) };
    const one = { name: 'y', prepare: () => ({ ours: [contender], peers: [contender] }) };
    const running = race('test', one, { signal: abort.signal });
    await running.then(
      () => expect.fail('the race went on'),
      (error: Error) => expect(error.message).to.equal('enough'),
    );
  });

  it('npm run bench writes rows with the machine, runtime and versions', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-bench-'));
    const file = join(folder, 'rows.json');
    const args = ['cpu', '--case', '16×384', '--rounds', '1', '--warm', '0', '--json', file];
    const { stdout } = runNode(['--import', 'tsx', MAIN, ...args]);
    const report = JSON.parse(readFileSync(file, 'utf8'));
    rmSync(folder, { recursive: true });
    expect(report).to.have.all.keys('machine', 'runtime', 'versions', 'rows');
    expect(report.versions).to.include({ 'tfjs-core': '4.22.0' });
    expect(report.rows).to.have.length(4);
    const [row] = report.rows;
    expect(Object.keys(row)).to.deep.equal([
      'suite',
      'case',
      'ours',
      'peer',
      'oursMs',
      'peerMs',
      'ratio',
    ]);
    expect(row).to.include({
      suite: 'cpu',
      case: 'hadamardTransform 16×384',
      ours: 'hadamardTransform',
    });
    expect(stdout).to.include('channelCenter 16×384');
  });

  for (const [args, message] of [
    [['gpu'], 'there is no suite gpu; there are cpu, wasm, tensorflow'],
    [['--rounds', '0'], '--rounds must be an integer ≥ 1, got 0'],
    [['--warm', 'up'], '--warm must be an integer ≥ 0, got up'],
  ] as const) {
    it(`npm run bench -- ${args.join(' ')} says what is wrong`, () => {
      const command = ['--import', 'tsx', MAIN, ...args];
      const { status, stderr } = spawnSync(process.execPath, command, {
        cwd: ROOT,
        encoding: 'utf8',
        env: CHILD_ENV,
      });
      expect([status, stderr.includes(message)], stderr).to.deep.equal([2, true]);
    });
  }
});
