import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { CHILD_ENV } from '../harness/run/child.js';
import { UserProject } from '../harness/run/userProject.js';

/** The trial model by its package's name. */
const MODEL = 'tfjs-hadanorm-avatars-nano';

describe('tfjs-hadanorm from the packed archive', () => {
  let project: UserProject;
  let bin: string;

  before(() => {
    project = new UserProject();
    project.link('@tensorflow/tfjs-backend-wasm');
    project.link(MODEL);
    bin = join(project.installed, 'dist', 'esm', 'src', 'bin', 'main.js');
  });
  after(() => project.remove());

  function run(...args: string[]) {
    const options = { cwd: project.folder, encoding: 'utf8', env: CHILD_ENV } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], options);
    return { status, stdout, stderr };
  }

  it('says its version, and help with examples', () => {
    expect(run('--version')).to.deep.equal({ status: 0, stdout: '0.1.0\n', stderr: '' });
    const { status, stdout, stderr } = run('quantize', '--help');
    expect([status, stderr]).to.deep.equal([0, '']);
    expect(stdout).to.match(/Usage: tfjs-hadanorm quantize .*<model>[\s\S]*Examples:\n {2}tfjs-/);
  });

  it('inspects the trial model: results on stdout, nothing else', () => {
    const { status, stdout, stderr } = run('inspect', MODEL, '--json');
    expect([status, stderr]).to.deep.equal([0, '']);
    expect(JSON.parse(stdout).linears.length).to.equal(35);
  });

  it('ends with 2 for a wrong use and 1 for an error, each in one line', () => {
    const cases: readonly [number, string[], RegExp][] = [
      [2, ['nothing'], /^tfjs-hadanorm: unknown command 'nothing' \(--help shows usage/],
      [2, ['inspect'], /^tfjs-hadanorm: missing required argument 'model'/],
      [2, ['inspect', MODEL, '--backend', 'gpu'], /Allowed choices are wasm, cpu, tensorflow/],
      [1, ['inspect', 'none'], /^tfjs-hadanorm: fileSystem.load: .*none.model.json cannot be read/],
      [1, ['inspect', MODEL, '--backend', 'tensorflow'], /npm install @tensorflow\/tfjs-node/],
    ];
    for (const [status, args, message] of cases) {
      const ended = run(...args);
      expect([ended.status, ended.stdout], args.join(' ')).to.deep.equal([status, '']);
      expect(ended.stderr).to.match(message);
      expect(ended.stderr.trim().split('\n').length, ended.stderr).to.equal(1);
    }
  });

  for (const own of ['never', 'always']) {
    it(`ends with 130 after Ctrl-C and leaves nothing, own process ${own}`, async function () {
      // Windows has no signal that a process could be sent
      if (process.platform === 'win32') this.skip();
      project.write(
        'endless.mjs',
        `export default async function* ({ tf }) {
        for (let i = 0; ; i++) {
          if (i === 1) console.error('runs');
          yield { latent: tf.zeros([1, 32, 32, 3]), timestep: tf.zeros([1]),
                  label: tf.zeros([1], 'int32') };
        }
      }`,
      );
      const args = [bin, 'quantize', MODEL, '-i', 'endless.mjs', '-o', 'small', '--child', own];
      const child = spawn(process.execPath, args, { cwd: project.folder, env: CHILD_ENV });
      let stderr = '';
      child.stderr.on('data', (text) => {
        if (`${text}`.includes('runs')) child.kill('SIGINT');
        stderr += text;
      });
      const status = await new Promise((resolve) => child.on('close', resolve));
      expect(status, stderr).to.equal(130);
      expect(stderr).to.include('tfjs-hadanorm: stopped; nothing was written.');
      expect(existsSync(join(project.folder, 'small'))).to.equal(false);
      expect(readdirSync(project.folder).filter((name) => name.startsWith('.'))).to.deep.equal([]);
    });
  }
});
