import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { ROOT } from '../../../scripts/process.js';

/** The environment of child processes: they are not what coverage is measured of. */
export const CHILD_ENV: NodeJS.ProcessEnv = { ...process.env, NODE_V8_COVERAGE: '' };

/** What a process printed. */
export interface ChildOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs this Node on a script and checks that it ended well. `cwd` defaults to the project's folder.
 */
export function runNode(args: readonly string[], cwd = ROOT): ChildOutput {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    timeout: 400_000,
    env: CHILD_ENV,
  });
  expect(error, `${args.join(' ')}`).to.equal(undefined);
  expect(status, `exit code of ${args.join(' ')}; it said:\n${stdout}\n${stderr}`).to.equal(0);
  return { stdout, stderr: withoutTfjsAdvice(stderr) };
}

/** tfjs advertises tfjs-node on stderr whenever it is used in Node without it. */
function withoutTfjsAdvice(stderr: string): string {
  return stderr
    .replace(/\n?=+\nHi, looks like you are running TensorFlow\.js[\s\S]*?=+ ?\n/, '')
    .trim();
}
