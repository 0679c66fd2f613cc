import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Runs a command in the project's folder with its output passed through; gives its exit code. */
export function runInherited(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } } as const;
    const child = spawn(command, [...args], options);
    child.on('error', reject);
    // ended by a signal: no code, and not a success
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** Runs a package's command-line script with the given Node, as `npx` would but without a shell. */
export function runScript(
  script: string,
  args: readonly string[],
  { node = process.execPath, env = {} }: { node?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<number> {
  return runInherited(node, [join(ROOT, 'node_modules', script), ...args], env);
}
