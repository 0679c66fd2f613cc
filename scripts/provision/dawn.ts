/** Finds Dawn, WebGPU outside of browsers, for tests and benchmarks in Node, and fetches it. */
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './context.js';
import { run } from './run.js';

/** npm's package of Dawn for Node: no dependency of the project, since few need its 100 MB. */
const PACKAGE = 'webgpu';
const VERSION = '0.6.2';
const LIMIT_MS = 5 * 60 * 1000;

/** Chromium brings a Vulkan loader and SwiftShader, a GPU in software. */
const CHROMIUM = '/usr/lib/chromium';
const LOADER = 'libvulkan.so.1';
const SOFTWARE_GPU = join(CHROMIUM, 'vk_swiftshader_icd.json');

export type DawnResult = { available: true; path: string } | { available: false; reason: string };

/** The module of Dawn: DAWN_NODE, else the one in the cache. */
export function findDawn(): DawnResult {
  const path = process.env.DAWN_NODE ?? cached();
  if (existsSync(path)) return { available: true, path };
  return { available: false, reason: `there is no ${path}; npm run provision:dawn fetches it` };
}

/** The driver of a GPU in software, for machines that name no other; undefined where none is. */
export function softwareDriver(): string | undefined {
  return existsSync(SOFTWARE_GPU) ? SOFTWARE_GPU : undefined;
}

/** Fetches the package with npm where it is not in the cache. */
export async function provisionDawn(log: (line: string) => void): Promise<DawnResult> {
  const found = findDawn();
  if (found.available) return found;
  const folder = entry();
  const staging = `${folder}-${process.pid}`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  log(`Fetching ${PACKAGE}@${VERSION}`);
  try {
    const options = { timeoutMs: LIMIT_MS, signal: undefined, onLine: () => undefined };
    const to = ['--pack-destination', staging];
    const packed = await run('npm', ['pack', `${PACKAGE}@${VERSION}`, ...to], options);
    if (!packed.ok) return { available: false, reason: `npm pack: ${packed.problem}` };
    const archive = join(staging, `${PACKAGE}-${VERSION}.tgz`);
    const unpacked = await run('tar', ['xzf', archive, '-C', staging], options);
    if (!unpacked.ok) return { available: false, reason: `tar: ${unpacked.problem}` };
    rmSync(archive);
    linkLoader(join(staging, 'package', ...BINARY));
    rmSync(folder, { recursive: true, force: true });
    renameSync(staging, folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return findDawn();
}

const BINARY = [
  'dist',
  `${process.platform}-${process.platform === 'darwin' ? 'universal' : process.arch}`,
];

function entry(): string {
  return join(cacheFolder(), `${PACKAGE}-${VERSION}`);
}

function cached(): string {
  return join(entry(), 'package', ...BINARY, 'dawn.node');
}

/** Dawn looks for a Vulkan loader beside itself too. */
function linkLoader(folder: string): void {
  const loader = join(CHROMIUM, LOADER);
  if (existsSync(loader) && existsSync(folder)) symlinkSync(loader, join(folder, LOADER));
}
