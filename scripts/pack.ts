/**
 * `npm run pack [-- FOLDER]`: builds the package and writes its archive and the trial model's, as
 * npm publishes them, into a folder (default this one); their paths are the last two lines. npm's
 * own `npm pack` would not build: `.npmrc` keeps npm from running scripts, tfjs-node's among them,
 * and has it refuse.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isMain, ROOT, runScript } from './process.js';

/** A package of its own. */
const TRIAL_MODEL = 'models/avatars-nano';

/** Where a package's files can be read, whoever hosts its project. */
const FILES = 'https://cdn.jsdelivr.net/npm';

/**
 * Markdown with its links to files as links to the published package's: the page of a package on
 * npm has no files beside it.
 */
export function linksOnNpm(markdown: string, { name, version }: Published): string {
  const base = `${FILES}/${name}@${version}/`;
  return markdown.replace(/\]\((?![a-z][a-z+.-]*:|#)([^)\s]+)\)/gi, `](${base}$1)`);
}

/** What a package is called. */
export interface Published {
  readonly name: string;
  readonly version: string;
}

/** The package as the repository has it, with what keeps npm from publishing that. */
interface Manifest extends Published {
  readonly private?: boolean;
  readonly workspaces?: readonly string[];
}

/** Builds the archives into a folder; gives their paths. */
async function pack(into: string): Promise<string[]> {
  const code = await runScript('tsx/dist/cli.mjs', ['scripts/build.ts']);
  if (code !== 0) process.exit(code);
  const work = await mkdtemp(join(tmpdir(), 'tfjs-hadanorm-pack-'));
  try {
    const plain = npmPack(ROOT, work);
    run('tar', ['-xzf', plain, '-C', work]);
    const folder = join(work, 'package');
    const manifest = join(folder, 'package.json');
    const source = JSON.parse(await readFile(manifest, 'utf8')) as Manifest;
    const { private: _, workspaces: __, ...about } = source;
    await writeFile(manifest, `${JSON.stringify(about, null, 2)}\n`);
    const readme = join(folder, 'README.md');
    await writeFile(readme, linksOnNpm(await readFile(readme, 'utf8'), about));
    await mkdir(into, { recursive: true });
    return [npmPack(folder, into), npmPack(join(ROOT, TRIAL_MODEL), into)];
  } finally {
    await rm(work, { recursive: true });
  }
}

function npmPack(folder: string, into: string): string {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', into];
  const [{ filename }] = JSON.parse(run('npm', args, folder)) as [{ filename: string }];
  return join(into, filename);
}

function run(command: string, args: readonly string[], cwd = ROOT): string {
  const shell = process.platform === 'win32';
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...{ cwd, shell, encoding: 'utf8', maxBuffer: 2 ** 28 },
  });
  if (status === 0) return stdout;
  console.error(error?.message ?? stderr);
  process.exit(status ?? 1);
}

if (isMain(import.meta.url)) {
  const packed = await pack(resolve(process.argv[2] ?? '.'));
  console.log(packed.join('\n'));
}
