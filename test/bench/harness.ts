/** One comparison: the same result, ours and a peer's. `run` returns when the result is there. */
export interface BenchCase {
  readonly name: string;
  readonly ours: Contender;
  readonly peer: Contender;
}

/** A named way to get the result; `run` must not leave anything behind. */
export interface Contender {
  readonly name: string;
  readonly run: () => void | Promise<void>;
}

/** A group of cases; `prepare` sets the backend up and makes the inputs, `dispose` ends what it started. */
export interface BenchSuite {
  readonly name: string;
  readonly prepare: () => Promise<{ cases: readonly BenchCase[]; dispose: () => void }>;
  /** Why the suite cannot run on this machine; undefined where it can. */
  readonly missing?: string | undefined;
}

/** What came of a case: medians in milliseconds; ratio = peerMs / oursMs, so above 1 ours is faster. */
export interface BenchRow {
  readonly suite: string;
  readonly case: string;
  readonly ours: string;
  readonly peer: string;
  readonly oursMs: number;
  readonly peerMs: number;
  readonly ratio: number;
}

export interface RaceOptions {
  /** Samples of each contender, taken in turn. Default 9; slow cases take 3. */
  readonly rounds?: number;
  /** Ends the race between two samples; the error is the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A sample repeats a fast contender for at least this long, well above the clock's noise. */
const MIN_SAMPLE_MS = 20;

/** Contenders slower than this get 3 rounds: their relative noise is small and the wait is long. */
const SLOW_MS = 1500;

/** Warms both contenders up, then samples them in turn, and compares the medians. */
export async function race(
  suite: string,
  { name, ours, peer }: BenchCase,
  { rounds = 9, signal }: RaceOptions = {},
): Promise<BenchRow> {
  const contenders = [ours, peer];
  const repeats: number[] = [];
  let slow = false;
  for (const { run } of contenders) {
    const once = Math.min(await time(run, 1, signal), await time(run, 1, signal));
    repeats.push(Math.max(1, Math.ceil(MIN_SAMPLE_MS / once)));
    slow ||= once > SLOW_MS;
  }
  const samples: [number[], number[]] = [[], []];
  for (let round = 0; round < (slow ? Math.min(rounds, 3) : rounds); round++) {
    // every other round the other way round, so that neither always runs in the other's wake
    for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
      samples[at as 0 | 1].push(await time(contenders[at]!.run, repeats[at]!, signal));
    }
  }
  const [oursMs, peerMs] = [median(samples[0]), median(samples[1])];
  return {
    suite,
    case: name,
    ours: ours.name,
    peer: peer.name,
    oursMs,
    peerMs,
    ratio: peerMs / oursMs,
  };
}

/** Milliseconds per run. */
async function time(
  run: Contender['run'],
  repeats: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  signal?.throwIfAborted();
  // lets an abort (Ctrl-C) in between samples of synchronous code
  await new Promise((resolve) => setImmediate(resolve));
  const start = performance.now();
  for (let i = 0; i < repeats; i++) {
    const result = run();
    if (result instanceof Promise) await result;
  }
  return (performance.now() - start) / repeats;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
