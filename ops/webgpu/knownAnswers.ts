import type { TensorInfo } from '@tensorflow/tfjs-core';
import { submit, type WebgpuBackend, whyNoDoor } from './backend.js';
import { WebgpuScope } from './scope.js';

/** What a kernel gave for inputs of which the answer is known. */
export interface Answer {
  readonly got: TensorInfo;
  readonly wanted: ArrayLike<number>;
  /** How far each number may be off. Default 0. */
  readonly within?: number;
}

/** A kernel's question: runs its programs as a call does. */
export type Question = (webgpu: WebgpuScope) => Answer[];

/** What came of it; null: right, undefined: not known yet. */
type Verdict = string | null | undefined;

interface Meeting {
  readonly verdicts: Map<string, Verdict>;
  readonly done: Promise<void>;
}

const questions = new Map<string, Question>();
const meetings = new WeakMap<WebgpuBackend, Meeting>();

/** Has a kernel asked when a backend is first met. */
export function askAtMeeting(kernelName: string, question: Question): void {
  questions.set(kernelName, question);
}

/** Why a kernel is not used on a backend; null where it is, undefined where nobody knows yet. */
export function whyUnused(backend: WebgpuBackend, kernelName: string): Verdict {
  const { verdicts } = meet(backend);
  return verdicts.has(kernelName) ? verdicts.get(kernelName) : null;
}

/** Asks all kernels, once for each backend. */
export function meet(backend: WebgpuBackend): Meeting {
  const known = meetings.get(backend);
  if (known !== undefined) return known;
  const door = whyNoDoor(backend);
  const verdicts = new Map<string, Verdict>();
  for (const name of questions.keys()) verdicts.set(name, door ?? undefined);
  const done = door === null ? askAll(backend, verdicts) : Promise.resolve(tell(verdicts));
  const meeting = { verdicts, done };
  meetings.set(backend, meeting);
  return meeting;
}

async function askAll(backend: WebgpuBackend, verdicts: Map<string, Verdict>): Promise<void> {
  // one after the other: what a program that is wrong spoils is its own submission
  for (const [name, question] of questions) {
    verdicts.set(name, await judge(backend, name, question));
  }
  tell(verdicts);
}

/** Why a kernel must not be used; null for right answers. */
async function judge(
  backend: WebgpuBackend,
  name: string,
  question: Question,
): Promise<string | null> {
  const { device } = backend;
  const scope = new WebgpuScope(backend, name);
  submit(backend);
  device.pushErrorScope('validation');
  try {
    const answers = question(scope);
    submit(backend);
    const said = await device.popErrorScope();
    if (said !== null) return said.message;
    for (const answer of answers) {
      const problem = compare(await backend.read(answer.got.dataId), answer);
      if (problem !== null) return problem;
    }
    return null;
  } catch (error) {
    return `it fails: ${error instanceof Error ? error.message : error}`;
  } finally {
    scope.close();
  }
}

function compare(got: ArrayLike<number>, { wanted, within = 0 }: Answer): string | null {
  for (let i = 0; i < wanted.length; i++) {
    const off = Math.abs(got[i]! - wanted[i]!);
    if (off <= within) continue;
    return `it gives ${got[i]} where ${wanted[i]} is right`;
  }
  return got.length === wanted.length ? null : `it gives ${got.length} numbers`;
}

function tell(verdicts: ReadonlyMap<string, Verdict>): void {
  for (const [name, verdict] of verdicts) {
    if (typeof verdict !== 'string') continue;
    console.warn(`tfjs-hadanorm: ${name} runs as tfjs ops on this GPU: ${verdict}`);
  }
}
