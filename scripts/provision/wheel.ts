import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { compileBinding } from './compile.js';
import { type Context, TENSORFLOW_WHEEL_VERSION } from './context.js';
import { putIntoCache, WHEEL_LIBRARIES, withStaging } from './place.js';
import { ProvisionError, run } from './run.js';
import { findTools, type Tools } from './tools.js';

const DOWNLOAD_LIMIT_MS = 30 * 60 * 1000;
const UNPACK_LIMIT_MS = 10 * 60 * 1000;

const WHEEL_MIN_GLIBC = [2, 27] as const;
const WHEEL_PLATFORM = 'manylinux_2_27_x86_64';
/** Any of the wheel's builds would do: nothing that is taken from it depends on Python. */
const WHEEL_PYTHON = '3.11';
const WHEEL_HEADERS = ['tensorflow', 'tsl', 'xla/tsl'];

const UNPACK = [
  'import sys, zipfile',
  'wheel = zipfile.ZipFile(sys.argv[1])',
  'wanted = tuple(sys.argv[3:])',
  'wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith(wanted)])',
].join('\n');

function glibcVersion(): string | undefined {
  // Listing the process's connections asks name servers, which can hang on a closed network.
  Object.assign(process.report, { excludeNetwork: true });
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime;
}

function assertSupportedPlatform(): void {
  const { platform, arch } = process;
  if (platform !== 'linux' || arch !== 'x64') {
    throw new ProvisionError(`used on Linux x64 only, this is ${platform} ${arch}`);
  }
  const version = glibcVersion();
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  const [wantedMajor, wantedMinor] = WHEEL_MIN_GLIBC;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  const wanted = WHEEL_MIN_GLIBC.join('.');
  throw new ProvisionError(`needs glibc ${wanted} or newer, this system has ${version ?? 'none'}`);
}

async function download(context: Context, tools: Tools, staging: string): Promise<string> {
  const { log, signal } = context;
  const wheel = `tensorflow-cpu==${TENSORFLOW_WHEEL_VERSION}`;
  const target = join(staging, 'wheel');
  await mkdir(target);
  log(`Downloading ${wheel} with pip (about 270 MB)`);
  const args = ['-m', 'pip', 'download', '--no-input', '--no-cache-dir', '--no-deps'];
  args.push('--progress-bar', 'off', '--disable-pip-version-check');
  args.push('--only-binary=:all:', '--python-version', WHEEL_PYTHON);
  args.push('--platform', WHEEL_PLATFORM, wheel, '-d', target);
  const done = await run(tools.python, args, {
    timeoutMs: DOWNLOAD_LIMIT_MS,
    signal,
    // pip downloads into TMPDIR first, and /tmp is often small.
    env: { ...process.env, TMPDIR: staging },
    onLine: (line) => log(`  ${line.trim()}`),
    onWait: (seconds) => log(`  pip is still downloading (${seconds} s)`),
  });
  if (!done.ok) {
    throw new ProvisionError(
      `pip could not download ${wheel} (${done.problem}): check the network, or set ` +
        'PIP_INDEX_URL or HTTPS_PROXY to reach a package index',
    );
  }
  const name = (await readdir(target)).find((file) => file.endsWith('.whl'));
  if (name === undefined) throw new ProvisionError(`pip download ${wheel} left no wheel behind`);
  return join(target, name);
}

async function unpack(
  context: Context,
  tools: Tools,
  wheel: string,
  target: string,
): Promise<void> {
  context.log('Unpacking libtensorflow and its headers from the wheel');
  const wanted = [
    ...WHEEL_LIBRARIES.map((name) => `tensorflow/${name}`),
    ...WHEEL_HEADERS.map((name) => `tensorflow/include/${name}/`),
  ];
  const done = await run(tools.python, ['-c', UNPACK, wheel, target, ...wanted], {
    timeoutMs: UNPACK_LIMIT_MS,
    signal: context.signal,
  });
  if (!done.ok) throw new ProvisionError(`could not unpack the wheel: ${done.problem}`);
}

async function buildIn(staging: string, context: Context, tools: Tools): Promise<void> {
  const wheel = await download(context, tools, staging);
  const unpacked = join(staging, 'unpacked');
  await unpack(context, tools, wheel, unpacked);
  const tensorflow = join(unpacked, 'tensorflow');
  const entry = join(staging, 'entry');
  const libraries = join(entry, 'deps', 'lib');
  await mkdir(libraries, { recursive: true });
  for (const name of WHEEL_LIBRARIES) await rename(join(tensorflow, name), join(libraries, name));
  await compileBinding(context, tools.compiler, {
    headers: join(tensorflow, 'include'),
    libraries,
    output: join(entry, context.bindingPath),
    scratch: staging,
  });
  await putIntoCache(context, entry, staging);
}

/** Makes this machine's cache entry: TensorFlow's libraries and the binding built against them. */
export async function buildCacheEntry(context: Context): Promise<void> {
  assertSupportedPlatform();
  const tools = await findTools(context);
  const hint = ': TFJS_HADANORM_CACHE can name another folder';
  await withStaging(context.cacheDir, (staging) => buildIn(staging, context, tools), hint);
}
