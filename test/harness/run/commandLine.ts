import type { Progress } from '../../../ops/common/progress.js';
import { programOf } from '../../../src/bin/program.js';

/** What a command printed. */
export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run. */
export interface CommandOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** Runs a command in this process. @throws What the command throws. */
export async function runCommand(
  args: readonly string[],
  { signal = new AbortController().signal, onProgress = () => {} }: CommandOptions = {},
): Promise<Printed> {
  const printed = { stdout: '', stderr: '' };
  const context = {
    signal,
    onProgress,
    show: (text: string) => {
      printed.stdout += `${text}\n`;
    },
    note: (text: string) => {
      printed.stderr += `${text}\n`;
    },
  };
  await programOf(context).parseAsync(args, { from: 'user' });
  return printed;
}
