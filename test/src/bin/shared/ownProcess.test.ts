import { spawn } from 'node:child_process';
import { expect } from 'chai';
import { wantsOwnProcess } from '../../../../src/bin/shared/ownProcess.js';
import { CHILD_ENV } from '../../../harness/run/child.js';

const SCRIPT = 'test/harness/run/heldProcess.ts';

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: readonly string[];
  /** The process that waited. */
  readonly parent: number;
}

/** Runs the script; `told` gets both processes' ids once the inner one works. */
function run(
  args: readonly string[],
  told: (parent: number, child: number) => void,
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const started = spawn(process.execPath, ['--import', 'tsx', SCRIPT, ...args], {
    env: { ...CHILD_ENV, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const parent = started.pid!;
  let stdout = '';
  started.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (stdout === '') told(parent, Number.parseInt(text, 10));
    stdout += text;
  });
  return new Promise((resolve) => {
    // both have closed their output by then
    started.on('close', (code, signal) => {
      resolve({ code, signal, lines: stdout.trim().split('\n'), parent });
    });
  });
}

const nothing = () => undefined;

describe('A process of its own', () => {
  before(function () {
    if (!wantsOwnProcess()) this.skip();
  });

  it('has another heap, and ends with the code of the command', async () => {
    const { code, lines, parent } = await run(['7'], nothing);
    const [pid, threshold] = lines[0]!.split(' ');
    expect([code, threshold]).to.deep.equal([7, '2097152']);
    expect(Number(pid)).to.not.equal(parent);
  });

  it('is not made where the heap is set up', async () => {
    const { lines, parent } = await run(['0'], nothing, { MALLOC_MMAP_THRESHOLD_: '131072' });
    expect(lines).to.deep.equal([`${parent} 131072`]);
  });

  it('is interrupted once by a Ctrl-C to both, and by SIGTERM to the parent', async () => {
    const both = await run([], (parent, child) => {
      process.kill(child, 'SIGINT');
      process.kill(parent, 'SIGINT');
    });
    expect([both.code, both.lines.slice(1)]).to.deep.equal([130, ['SIGINT']]);
    const ended = await run([], (parent) => process.kill(parent, 'SIGTERM'));
    expect([ended.code, ended.lines.slice(1)]).to.deep.equal([130, ['SIGTERM']]);
  });

  it('ends with its parent, and the parent by the signal that it was killed by', async () => {
    const orphan = await run([], (parent) => process.kill(parent, 'SIGKILL'));
    expect([orphan.signal, orphan.lines.slice(1)]).to.deep.equal(['SIGKILL', ['SIGTERM']]);
    const killed = await run([], (_, child) => process.kill(child, 'SIGKILL'));
    expect(killed.signal).to.equal('SIGKILL');
  });
});
