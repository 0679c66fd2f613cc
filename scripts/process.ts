import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The project's folder. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Whether a module, by its `import.meta.url`, is the script that Node was started with. */
export function isMain(moduleUrl: string): boolean {
  const script = process.argv[1];
  return script !== undefined && moduleUrl === pathToFileURL(realpathSync(script)).href;
}

/** Options of `runScript`. */
export interface ScriptOptions {
  /** Default: the Node that runs this. */
  readonly node?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Gets what the script writes, in place of this process's own output. */
  readonly onOutput?: (text: string) => void;
}

/**
 * Runs a package's command-line script in the project's folder with its output passed through, as
 * `npx` would but with the given Node and without a shell; gives its exit code.
 */
export function runScript(
  script: string,
  args: readonly string[],
  { node = process.execPath, env = {}, onOutput }: ScriptOptions = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const stdio = onOutput === undefined ? 'inherit' : 'pipe';
    const options = { cwd: ROOT, stdio, env: { ...process.env, ...env } } as const;
    const child = spawn(node, [join(ROOT, 'node_modules', script), ...args], options);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => onOutput?.(text));
    }
    child.on('error', reject);
    // ended by a signal: no code, and not a success
    child.on('close', (code) => resolve(code ?? 1));
  });
}
