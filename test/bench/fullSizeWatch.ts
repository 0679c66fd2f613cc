import type { Progress, WatchOptions } from '../../ops/common/progress.js';

/** Times what a page does, and how long it did not answer meanwhile. */
export class PageWatch {
  private last = performance.now();
  private silence = 0;

  /** @param log Gets lines; those of progress with false. */
  constructor(private readonly log: (line: string, isResult: boolean) => Promise<void>) {
    setInterval(() => this.tick(), 10);
  }

  /**
   * Runs a part, and tells its time, the longest that the page did not answer, and the longest
   * between two tellings of progress.
   * @param run Gets what is to be told; that gives the milliseconds since the last.
   */
  async timed<T>(
    what: string,
    run: (onProgress: (progress: Progress) => number) => Promise<T>,
  ): Promise<T> {
    this.silence = 0;
    const start = performance.now();
    let [last, longest, before] = [start, 0, ''];
    const result = await run(({ stage, done, total, name }) => {
      const ms = performance.now() - last;
      last += ms;
      const told = `${stage} ${done} of ${total}: ${name}`;
      if (ms > longest) [longest, before] = [ms, told];
      void this.log(told, false);
      return ms;
    });
    this.tick();
    const time = seconds(performance.now() - start);
    const rest = `page still ${seconds(this.silence)}, progress ${seconds(longest)} at most`;
    await this.log(`${what}: ${time}, ${rest} (${before})`, true);
    return result;
  }

  /**
   * Runs a part and cancels it at some progress; tells how long it took to stop.
   * @throws Error where it goes on.
   */
  async cancelled(
    what: string,
    at: (progress: Progress) => boolean,
    run: (options: Required<WatchOptions>) => Promise<unknown>,
  ): Promise<void> {
    const abort = new AbortController();
    let start = 0;
    const onProgress = (progress: Progress) => {
      void this.log(`${what}, to be cancelled: ${progress.name}`, false);
      if (start > 0 || !at(progress)) return;
      start = performance.now();
      abort.abort();
    };
    const name = await run({ signal: abort.signal, onProgress }).then(
      () => 'nothing',
      (error: Error) => error.name,
    );
    if (name !== 'AbortError') throw new Error(`${what} was cancelled, and gave ${name}`);
    await this.log(
      `${what}, cancelled: stopped within ${seconds(performance.now() - start)}`,
      true,
    );
  }

  private tick(): void {
    const now = performance.now();
    this.silence = Math.max(this.silence, now - this.last);
    this.last = now;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1e3).toFixed(ms < 1e3 ? 2 : 1)} s`;
}
