import { aptInstall } from './apt.js';
import type { Context } from './context.js';
import { ProvisionError, run } from './run.js';

const CHECK_LIMIT_MS = 60_000;

/** pip is run as a module of the same Python that unpacks the wheel. */
const PYTHON_CHECK = 'import pip, sys, zipfile, zlib; sys.exit(sys.version_info < (3, 7))';

export interface Tools {
  /** A Python 3 with pip. */
  python: string;
  /** A C++ compiler, and the arguments that CXX has after its name. */
  compiler: string[];
}

async function works(context: Context, command: string[], ...more: string[]): Promise<boolean> {
  const [name = '', ...args] = command;
  const { signal } = context;
  return (await run(name, [...args, ...more], { timeoutMs: CHECK_LIMIT_MS, signal })).ok;
}

async function findPython(context: Context): Promise<string | undefined> {
  // The distribution's own Python has pip even where a version manager's, first on PATH, has not.
  for (const name of ['python3', 'python', '/usr/bin/python3']) {
    if (await works(context, [name], '-c', PYTHON_CHECK)) return name;
  }
  return undefined;
}

async function findCompiler(context: Context): Promise<string[] | undefined> {
  const { CXX = '' } = process.env;
  for (const command of [CXX.trim(), 'g++', 'c++', 'clang++']) {
    const words = command.split(/\s+/);
    if (command !== '' && (await works(context, words, '--version'))) return words;
  }
  return undefined;
}

/** Finds Python and a compiler; where this is root's Debian, installs what is missing. */
export async function findTools(context: Context): Promise<Tools> {
  let python = await findPython(context);
  let compiler = await findCompiler(context);
  const missing = [
    ...(compiler === undefined ? ['g++'] : []),
    ...(python === undefined ? ['python3', 'python3-pip'] : []),
  ];
  if (missing.length > 0) {
    const problem = await aptInstall(missing, context);
    if (problem !== undefined) context.log(`  ${problem}`);
    python ??= await findPython(context);
    compiler ??= await findCompiler(context);
  }
  if (python !== undefined && compiler !== undefined) return { python, compiler };
  const lacks = [
    ...(compiler === undefined ? ['a C++17 compiler (g++ or clang++, or name one in CXX)'] : []),
    ...(python === undefined ? ['Python 3.7 or newer with pip'] : []),
  ];
  const remedy = `on Debian or Ubuntu, "sudo apt-get install ${missing.join(' ')}"`;
  throw new ProvisionError(`needs ${lacks.join(' and ')}: ${remedy}`);
}
