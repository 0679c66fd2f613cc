/**
 * `npm run pack [-- FOLDER]`: builds the package and writes its archive, as npm publishes it, into
 * a folder (default this one); its path is the last line. npm's own `npm pack` would not build:
 * `.npmrc` keeps npm from running scripts, tfjs-node's among them.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isMain, ROOT, runScript } from './process.js';

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

/** Builds the archive into a folder; gives its path. */
async function pack(into: string): Promise<string> {
  const code = await runScript('tsx/dist/cli.mjs', ['scripts/build.ts']);
  if (code !== 0) process.exit(code);
  const work = await mkdtemp(join(tmpdir(), 'tfjs-hadanorm-pack-'));
  try {
    const plain = npmPack(ROOT, work);
    run('tar', ['-xzf', plain, '-C', work]);
    const folder = join(work, 'package');
    const about = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Published;
    const readme = join(folder, 'README.md');
    await writeFile(readme, linksOnNpm(await readFile(readme, 'utf8'), about));
    await mkdir(into, { recursive: true });
    return npmPack(folder, into);
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

if (isMain(import.meta.url)) console.log(await pack(resolve(process.argv[2] ?? '.')));
