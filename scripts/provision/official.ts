import { cp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative, sep } from 'node:path';
import { probe } from './children.js';
import type { Context } from './context.js';
import { putIntoPackage, withStaging } from './place.js';
import { ProvisionError, run } from './run.js';

const INSTALL_LIMIT_MS = 15 * 60 * 1000;
const MIRROR_HINT = 'HTTPS_PROXY, or TFJS_NODE_CDN_STORAGE for a mirror, may help';
/** Large or stale parts of the package that its install script does not read. */
const NOT_COPIED = new Set(['dist', 'src', 'python', 'lib', 'deps', 'build']);

/** The environment that npm gives install scripts: dependencies' commands and this Node on PATH. */
function installEnvironment(packageDir: string): NodeJS.ProcessEnv {
  const require = createRequire(join(packageDir, 'package.json'));
  const preGyp = dirname(require.resolve('@mapbox/node-pre-gyp/package.json'));
  const env = { ...process.env };
  const key = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  env[key] = [
    join(packageDir, 'node_modules', '.bin'),
    join(preGyp, '..', '..', '.bin'),
    dirname(process.execPath),
    env[key] ?? '',
  ].join(delimiter);
  return env;
}

/**
 * Runs the package's own install script. It works on a copy beside the package: the script
 * rewrites package.json while it runs and leaves half an installation behind when it fails.
 */
export async function installOfficially(context: Context): Promise<void> {
  const { packageDir, installScript, log, signal } = context;
  await withStaging(dirname(packageDir), async (staging) => {
    const copy = join(staging, 'package');
    const filter = (source: string): boolean =>
      !NOT_COPIED.has(relative(packageDir, source).split(sep)[0] ?? '');
    await cp(packageDir, copy, { recursive: true, verbatimSymlinks: true, filter });
    const reached = await probe(context, copy);
    if (!reached.ok) throw new ProvisionError(`${reached.problem} (${MIRROR_HINT})`);
    log(`Running tfjs-node's own install script, which downloads ${reached.answer}`);
    const installed = await run(installScript, [], {
      cwd: copy,
      env: installEnvironment(packageDir),
      shell: true,
      timeoutMs: INSTALL_LIMIT_MS,
      signal,
      onLine: (line) => log(`  ${line}`),
      onWait: (seconds) => log(`  the install script is still running (${seconds} s)`),
    });
    if (!installed.ok) throw new ProvisionError(`"${installScript}": ${installed.problem}`);
    await putIntoPackage(context, copy, staging);
  });
}
