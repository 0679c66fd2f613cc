import { mkdir, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { type Context, resolveInstalled } from './context.js';
import { WHEEL_LIBRARIES } from './place.js';
import { ProvisionError, run } from './run.js';

const COMPILE_LIMIT_MS = 10 * 60 * 1000;

function nodeApiHeaders(): string {
  const path = resolveInstalled('node-api-headers');
  return (createRequire(import.meta.url)(path) as { include_dir: string }).include_dir;
}

/**
 * Builds tfjs-node's binding from the package's sources as its binding.gyp does, less node-gyp,
 * which would download Node's headers. Node-API is all the sources use of Node, so one binding
 * serves every Node that has the level it is built for.
 */
export async function compileBinding(
  context: Context,
  compiler: string[],
  paths: { headers: string; libraries: string; output: string; scratch: string },
): Promise<void> {
  const { packageDir, bindingPath, napiVersion, signal, log } = context;
  const sourceDir = join(packageDir, 'binding');
  const sources = (await readdir(sourceDir)).filter((name) => name.endsWith('.cc'));
  const librariesFromBinding = relative(dirname(bindingPath), join('deps', 'lib'));
  const [command = '', ...compilerArgs] = compiler;
  const args = [...compilerArgs, '-std=c++17', '-O2', '-fPIC', '-shared', '-w'];
  args.push(`-DNAPI_VERSION=${napiVersion}`, `-I${nodeApiHeaders()}`, `-I${paths.headers}`);
  args.push(...sources.map((name) => join(sourceDir, name)), '-o', paths.output);
  args.push(`-L${paths.libraries}`, ...WHEEL_LIBRARIES.map((name) => `-l:${name}`));
  // Binding at load time makes a function that this TensorFlow lacks fail the check at once.
  args.push(`-Wl,-rpath,$ORIGIN/${librariesFromBinding}`, '-Wl,-z,now');
  await mkdir(dirname(paths.output), { recursive: true });
  log(`Compiling tfjs-node's binding with ${command}`);
  const done = await run(command, args, {
    timeoutMs: COMPILE_LIMIT_MS,
    signal,
    // A compiler that is killed may leave its object files behind.
    env: { ...process.env, TMPDIR: paths.scratch },
    onWait: (seconds) => log(`  still compiling (${seconds} s)`),
  });
  if (!done.ok) {
    throw new ProvisionError(`${command} could not compile the binding (${done.problem})`);
  }
}
