/** Finds Dawn, WebGPU outside of browsers, for tests and benchmarks in Node, and fetches it. */
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fetchPackage, packageFolder } from './npmPackage.js';

/** npm's package of Dawn for Node: no dependency of the project, since few need its 100 MB. */
const PACKAGE = 'webgpu';
const VERSION = '0.6.2';

/** Chromium brings a Vulkan loader and SwiftShader, a GPU in software. */
const CHROMIUM = '/usr/lib/chromium';
const LOADER = 'libvulkan.so.1';
const SOFTWARE_GPU = join(CHROMIUM, 'vk_swiftshader_icd.json');

export type DawnResult = { available: true; path: string } | { available: false; reason: string };

/** The module of Dawn: DAWN_NODE, else the one in the cache; none where DAWN_NODE is empty. */
export function findDawn(): DawnResult {
  const path = process.env.DAWN_NODE ?? cached();
  if (path === '') return { available: false, reason: 'npm run test:dawn runs WebGPU in Node' };
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
  const problem = await fetchPackage(PACKAGE, VERSION, log, (folder) =>
    linkLoader(join(folder, ...BINARY)),
  );
  return problem === null ? findDawn() : { available: false, reason: problem };
}

const BINARY = [
  'dist',
  `${process.platform}-${process.platform === 'darwin' ? 'universal' : process.arch}`,
];

function cached(): string {
  return join(packageFolder(PACKAGE, VERSION), ...BINARY, 'dawn.node');
}

/** Dawn looks for a Vulkan loader beside itself too. */
function linkLoader(folder: string): void {
  const loader = join(CHROMIUM, LOADER);
  if (existsSync(loader) && existsSync(folder)) symlinkSync(loader, join(folder, LOADER));
}
