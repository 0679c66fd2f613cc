import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './context.js';
import { run } from './run.js';

/** A Node binary, or why there is none. */
export type NodeBinary = { available: true; path: string } | { available: false; reason: string };

const INSTALL_LIMIT_MS = 10 * 60 * 1000;

/**
 * A Node of a major version, from the npm packages that carry its binaries (the `node` package
 * picks among them in an install script, which a project with ignore-scripts does not run). Fetched
 * once, then kept in the cache folder.
 */
export async function fetchNode(major: string): Promise<NodeBinary> {
  const { platform, arch } = process;
  const name = `node-${platform === 'win32' ? 'win' : platform}-${arch}`;
  const folder = join(cacheFolder(), `node-${major}`);
  const binary = platform === 'win32' ? 'node.exe' : 'node';
  const path = join(folder, 'node_modules', name, 'bin', binary);
  if (existsSync(path)) return { available: true, path };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${major}`];
  const shell = platform === 'win32';
  const options = { cwd: folder, timeoutMs: INSTALL_LIMIT_MS, signal: undefined, shell };
  const installed = await run('npm', args, options);
  if (installed.ok && existsSync(path)) return { available: true, path };
  const problem = installed.ok ? `it left no ${path}` : installed.problem;
  return { available: false, reason: `npm install ${name}@${major}: ${problem}` };
}
