/** One comparison: the same result, got in several ways of ours and of our peers. */
export interface BenchCase {
  readonly name: string;
  /** Makes the inputs, when the case has its turn. */
  readonly prepare: () => Contest | Promise<Contest>;
}

/** A prepared case. */
export interface Contest {
  readonly ours: readonly Contender[];
  readonly peers: readonly Contender[];
  readonly dispose?: () => void | Promise<void>;
}

/**
 * A named way to get the result; `run` returns when the result is there, and must not leave
 * anything behind.
 */
export interface Contender {
  readonly name: string;
  readonly run: () => void | Promise<void>;
  /** Called before each sample, which does not count it. */
  readonly setUp?: () => void | Promise<void>;
  /**
   * What the project asks of this contender, where it asks: the least ratio to a peer, by the
   * peer's name.
   */
  readonly bars?: Readonly<Record<string, number>>;
}

/** A group of cases; `prepare` sets the backend up, `dispose` ends what it started. */
export interface BenchSuite {
  readonly name: string;
  readonly prepare: () => Promise<{ cases: readonly BenchCase[]; dispose: () => void }>;
  /** Why the suite cannot run on this machine; undefined where it can. */
  readonly missing?: string | undefined;
  /** It runs only where it is asked for by name: for hours, or of interest to few. */
  readonly onlyAsked?: boolean;
}

/**
 * One of ours against one peer: medians in milliseconds; ratio = peerMs / oursMs, so above 1 ours
 * is faster.
 */
export interface BenchRow {
  readonly suite: string;
  readonly case: string;
  readonly ours: string;
  readonly peer: string;
  readonly oursMs: number;
  readonly peerMs: number;
  readonly ratio: number;
  /** The least ratio that the project asks for. */
  readonly bar?: number;
}

export interface RaceOptions {
  /** Samples of each contender, taken in turn. Default 9; slow cases take 3. */
  readonly rounds?: number;
  /**
   * How long each contender runs before it is timed, at least. Default 500: engines compile again
   * what has run for a while, in the background, and a runtime of a thousand functions was at half
   * its speed after 100.
   */
  readonly warmMs?: number;
  /** Ends the race between two samples; the error is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A sample repeats a fast contender for at least this long, well above the clock's noise. */
const MIN_SAMPLE_MS = 20;

/**
 * Where a contender is slower than this there are 3 rounds: its relative noise is small and the
 * wait is long.
 */
const SLOW_MS = 1500;

/**
 * Prepares a case, warms all contenders up, samples them in turn, and compares each of ours with
 * each peer.
 */
export async function race(
  suite: string,
  { name, prepare }: BenchCase,
  options: RaceOptions = {},
): Promise<BenchRow[]> {
  const { ours, peers, dispose } = await prepare();
  try {
    const medians = await sample([...ours, ...peers], options);
    const rowOf = (i: number, k: number): BenchRow => {
      const [oursMs, peerMs] = [medians[i]!, medians[ours.length + k]!];
      const [own, peer] = [ours[i]!, peers[k]!];
      const bar = own.bars?.[peer.name];
      const names = { suite, case: name, ours: own.name, peer: peer.name };
      const row = { ...names, oursMs, peerMs, ratio: peerMs / oursMs };
      return bar === undefined ? row : { ...row, bar };
    };
    return ours.flatMap((_, i) => peers.map((_, k) => rowOf(i, k)));
  } finally {
    await dispose?.();
  }
}

/** The median time of each contender, in milliseconds. */
async function sample(
  contenders: readonly Contender[],
  { rounds = 9, warmMs = 500, signal }: RaceOptions,
): Promise<number[]> {
  const repeats: number[] = [];
  let slow = false;
  for (const { run, setUp } of contenders) {
    await setUp?.();
    const once = await warm(run, warmMs, signal);
    repeats.push(Math.max(1, Math.ceil(MIN_SAMPLE_MS / once)));
    slow ||= once > SLOW_MS;
  }
  const samples: number[][] = contenders.map(() => []);
  const order = contenders.map((_, i) => i);
  for (let round = 0; round < (slow ? Math.min(rounds, 3) : rounds); round++) {
    // every other round the other way round, so that none always runs in another's wake
    for (const i of round % 2 === 0 ? order : order.toReversed()) {
      const { run, setUp } = contenders[i]!;
      await setUp?.();
      samples[i]!.push(await time(run, repeats[i]!, signal));
    }
  }
  return samples.map(median);
}

/**
 * Runs twice and more, until the engine has had its time; gives the milliseconds of a run, at the
 * fastest.
 */
async function warm(
  run: Contender['run'],
  warmMs: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let fastest = await time(run, 1, signal);
  let total = fastest;
  for (let runs = 1; runs === 1 || total < warmMs; runs *= 2) {
    const ms = await time(run, runs, signal);
    total += ms * runs;
    fastest = Math.min(fastest, ms);
  }
  return fastest;
}

/** Milliseconds per run. */
async function time(
  run: Contender['run'],
  repeats: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  signal?.throwIfAborted();
  // lets an abort (Ctrl-C) in between samples of synchronous code
  await new Promise((resolve) => setTimeout(resolve, 0));
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
