import { run } from './run.js';

const APT_LIMIT_MS = 15 * 60 * 1000;

/**
 * Installs Debian packages where this is root on such a system; answers with what stood in the way,
 * if anything.
 */
export async function aptInstall(
  packages: readonly string[],
  { log, signal }: { log: (line: string) => void; signal: AbortSignal | undefined },
): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'apt-get needs root';
  log(`Installing ${packages.join(', ')} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { timeoutMs: APT_LIMIT_MS, signal, env };
  // without fresh lists the install may still work from those that are there
  const updated = await run('apt-get', ['update'], options);
  if (!updated.ok) log(`  apt-get update failed: ${updated.problem}`);
  const args = ['install', '-y', '--no-install-recommends', ...packages];
  const installed = await run('apt-get', args, options);
  return installed.ok ? undefined : `apt-get install: ${installed.problem}`;
}
