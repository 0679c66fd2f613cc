import { fileURLToPath, pathToFileURL } from 'node:url';
import { ANSWER_MARK } from './answer.js';
import { type Context, resolveInstalled } from './context.js';
import { type RunResult, run } from './run.js';

const VERIFY_LIMIT_MS = 180_000;
const PROBE_LIMIT_MS = 30_000;

export type Answer = { ok: true; answer: string } | { ok: false; problem: string };

function readAnswer(result: RunResult): Answer {
  if (!result.ok) return result;
  const line = result.stdout.filter((text) => text.startsWith(ANSWER_MARK)).at(-1);
  return line === undefined
    ? { ok: false, problem: 'the check ended early and said nothing' }
    : { ok: true, answer: line.slice(ANSWER_MARK.length) };
}

function runScript(
  context: Context,
  script: string,
  options: { cwd?: string; timeoutMs: number },
): Promise<RunResult> {
  const loader = pathToFileURL(resolveInstalled('tsx')).href;
  const path = fileURLToPath(new URL(script, import.meta.url));
  return run(process.execPath, ['--import', loader, path], {
    ...options,
    signal: context.signal,
    // TensorFlow's chatter about the processor would crowd out the error in a problem's text.
    env: { TF_CPP_MIN_LOG_LEVEL: '2', ...process.env },
  });
}

/** Whether tfjs-node loads and computes; the answer is TensorFlow's version. */
export async function verify(context: Context): Promise<Answer> {
  return readAnswer(await runScript(context, 'verifyChild.ts', { timeoutMs: VERIFY_LIMIT_MS }));
}

/** Where the install script of the package copy in `cwd` downloads from, if that can be reached. */
export async function probe(context: Context, cwd: string): Promise<Answer> {
  return readAnswer(await runScript(context, 'probeChild.ts', { cwd, timeoutMs: PROBE_LIMIT_MS }));
}
