/** Finds ONNX Runtime for Node with its WebGPU provider, a peer in benchmarks, and fetches it. */
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fetchPackage, packageFolder } from './npmPackage.js';

/** npm's packages: no dependencies of the project, since few need their 250 MB. */
const PACKAGE = 'onnxruntime-node';
const COMMON = 'onnxruntime-common';
const VERSION = '1.30.0';
const BINARIES = join('bin', 'napi-v6');

export type OnnxRuntimeResult =
  | { available: true; folder: string }
  | { available: false; reason: string };

/** The folder of the package: ORT_NODE, else the one in the cache. */
export function findOnnxRuntime(): OnnxRuntimeResult {
  const folder = process.env.ORT_NODE ?? packageFolder(PACKAGE, VERSION);
  const binding = join(
    folder,
    BINARIES,
    process.platform,
    process.arch,
    'onnxruntime_binding.node',
  );
  if (existsSync(binding)) return { available: true, folder };
  return { available: false, reason: `there is no ${binding}` };
}

/** Fetches it with npm where it is not in the cache. */
export async function provisionOnnxRuntime(
  log: (line: string) => void,
): Promise<OnnxRuntimeResult> {
  const found = findOnnxRuntime();
  if (found.available) return found;
  for (const name of [COMMON, PACKAGE]) {
    const problem = await fetchPackage(name, VERSION, log, name === PACKAGE ? arrange : undefined);
    if (problem !== null) return { available: false, reason: problem };
  }
  return findOnnxRuntime();
}

/** Only this machine's binary, and what it imports beside it. */
function arrange(folder: string): void {
  for (const other of ['darwin', 'linux', 'win32'].filter((name) => name !== process.platform)) {
    rmSync(join(folder, BINARIES, other), { recursive: true, force: true });
  }
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(packageFolder(COMMON, VERSION), join(folder, 'node_modules', COMMON));
}
