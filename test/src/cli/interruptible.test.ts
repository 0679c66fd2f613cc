import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { ROOT } from '../../../scripts/process.js';
import { CHILD_ENV } from '../../harness/run/child.js';

describe('A command that Ctrl-C stops', () => {
  /** Runs a body that knows `signal` and `stop`, which does as Ctrl-C does. */
  const run = (body: string) => {
    const script = `
      import { interruptible } from './src/cli/interruptible.ts';
      const stop = () => process.kill(process.pid, 'SIGINT');
      await interruptible(async (signal) => { ${body} }, 'told');
      console.log('through');`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const options = { cwd: ROOT, encoding: 'utf8', env: CHILD_ENV } as const;
    return spawnSync(process.execPath, args, options);
  };

  it('says so, ends with code 130, and lets what comes after it run', () => {
    const { status, stdout, stderr } = run(`
      const alive = setTimeout(() => {}, 60_000);
      const stopped = new Promise((resolve) => signal.addEventListener('abort', resolve));
      stop();
      await stopped;
      clearTimeout(alive);
      signal.throwIfAborted();`);
    expect([status, stdout, stderr]).to.deep.equal([130, 'through\n', 'told\n']);
  });

  it('is as it is where it is not stopped, also in what it throws', () => {
    expect(run('').status).to.equal(0);
    const { status, stderr } = run("throw new Error('of its own');");
    expect(status).to.equal(1);
    expect(stderr)
      .to.include('of its own')
      .and.not.match(/^told$/m);
  });
});
