import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../../scripts/process.js';
import { CHILD_ENV, type ChildOutput, runNode } from './child.js';

const require = createRequire(import.meta.url);
const { dependencies } = require('../../../package.json') as {
  dependencies: Record<string, string>;
};

/** A user's project, in a folder of its own, into which npm's archive of this package went. */
export class UserProject {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-user-')));
  /** Where the package lies. */
  readonly installed = join(this.folder, 'node_modules', 'tfjs-hadanorm');
  /** Paths in the archive. */
  readonly packed: readonly string[];
  /** The archive. */
  readonly tarball: string;

  constructor() {
    const { tarball, files } = packedOnce();
    this.packed = files;
    this.tarball = tarball;
    mkdirSync(this.installed, { recursive: true });
    const args = ['-xzf', tarball, '-C', this.installed, '--strip-components=1'];
    const unpacked = spawnSync('tar', args);
    expect(unpacked.status, String(unpacked.stderr)).to.equal(0);
    // a user who has core, converter and one backend, and none of the optional peers
    mkdirSync(join(this.folder, 'node_modules', '@tensorflow'));
    for (const name of ['tfjs-core', 'tfjs-converter', 'tfjs-backend-cpu', 'tfjs']) {
      this.link(`@tensorflow/${name}`);
    }
    for (const name of Object.keys(dependencies)) this.link(name);
  }

  /** What npm would have installed. */
  link(name: string): void {
    const at = join(this.folder, 'node_modules', name);
    const found = (require.resolve.paths(name) ?? [])
      .map((folder) => join(folder, name))
      .find((folder) => existsSync(folder));
    if (found === undefined) throw new Error(`${name} is not installed: run npm install.`);
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(found, at, 'junction');
  }

  unlink(name: string): void {
    unlinkSync(join(this.folder, 'node_modules', name));
  }

  /** Writes a file and gives its path. */
  write(file: string, text: string): string {
    const path = join(this.folder, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Runs Node on a script. */
  run(file: string, code: string): ChildOutput {
    this.write(file, code);
    return runNode([file], this.folder);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

let archive: ReturnType<typeof pack> | null = null;

/** The archive, packed once for all projects of this process. */
function packedOnce(): ReturnType<typeof pack> {
  if (archive !== null) return archive;
  const folder = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-packed-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  archive = pack(folder);
  return archive;
}

function pack(into: string): { tarball: string; files: string[] } {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', into];
  const npm = spawnSync('npm', args, {
    cwd: ROOT,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    env: CHILD_ENV,
  });
  expect(npm.status, npm.stderr).to.equal(0);
  const [{ filename, files }] = JSON.parse(npm.stdout) as [
    { filename: string; files: readonly { readonly path: string }[] },
  ];
  return { tarball: join(into, filename), files: files.map(({ path }) => path) };
}
