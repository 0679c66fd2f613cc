import { readFile, realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ProvisionError } from './run.js';

export const TENSORFLOW_WHEEL_VERSION = '2.21.0';

const projectRequire = createRequire(import.meta.url);

/** What every provisioning step needs to know. */
export interface Context {
  log: (line: string) => void;
  signal: AbortSignal | undefined;
  /** The installed `@tensorflow/tfjs-node`. */
  packageDir: string;
  /** The shell command that the package's own `install` script is. */
  installScript: string;
  /** The Node-API level that tfjs-node picks its binding by. */
  napiVersion: number;
  /** The binding's path below the package, as tfjs-node looks for it. */
  bindingPath: string;
  /** Where cache entries and their staging folders live. */
  cacheDir: string;
  /** This machine's and these versions' cache entry, laid out as the package is. */
  cacheEntry: string;
}

interface PackageJson {
  version: string;
  scripts: { install: string };
  binary: { module_name: string; module_path: string; napi_versions: number[] };
}

/** Resolves a module or one of its files from the project; the error says how to get it. */
export function resolveInstalled(request: string): string {
  try {
    return projectRequire.resolve(request);
  } catch {
    throw new ProvisionError(`${request} is not installed: run "npm ci" first`);
  }
}

/** The folder for what is provisioned once and kept between checkouts. */
export function cacheFolder(): string {
  const { TFJS_HADANORM_CACHE, LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
  if (TFJS_HADANORM_CACHE) return resolve(TFJS_HADANORM_CACHE);
  const base =
    process.platform === 'win32'
      ? LOCALAPPDATA || join(homedir(), 'AppData', 'Local')
      : XDG_CACHE_HOME || join(homedir(), '.cache');
  return resolve(base, 'tfjs-hadanorm');
}

/** The same choice as node-pre-gyp's `find` makes: the highest level that this Node offers. */
function chooseNapiVersion(offered: number[]): number {
  const { napi } = process.versions;
  const supported = Number(napi);
  const best = Math.max(0, ...offered.filter((version) => version <= supported));
  if (best === 0) throw new ProvisionError(`tfjs-node has no binding for Node ${process.version}`);
  return best;
}

export async function readContext(options: {
  log?: (line: string) => void;
  signal?: AbortSignal;
}): Promise<Context> {
  const manifest = await realpath(resolveInstalled('@tensorflow/tfjs-node/package.json'));
  const { version, scripts, binary } = JSON.parse(await readFile(manifest, 'utf8')) as PackageJson;
  const napiVersion = chooseNapiVersion(binary.napi_versions);
  const moduleDir = binary.module_path.replace('{napi_build_version}', String(napiVersion));
  const cacheDir = cacheFolder();
  const key = [
    `tfjs-node-${version}`,
    `tensorflow-${TENSORFLOW_WHEEL_VERSION}`,
    process.platform,
    process.arch,
  ].join('-');
  return {
    log: options.log ?? (() => {}),
    signal: options.signal,
    packageDir: dirname(manifest),
    installScript: scripts.install,
    napiVersion,
    bindingPath: join(moduleDir, `${binary.module_name}.node`),
    cacheDir,
    cacheEntry: join(cacheDir, key),
  };
}
