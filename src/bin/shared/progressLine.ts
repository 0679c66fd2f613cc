import type { Progress, Stage } from '../../../ops/common/progress.js';

/** Where it is shown: stderr. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const WORDS: Readonly<Record<Stage, string>> = {
  load: 'loading',
  calibrate: 'calibrating',
  quantize: 'quantizing',
  evaluate: 'comparing',
  check: 'checking',
  sample: 'sampling',
  save: 'packing',
};

/** Between two lines where there is no terminal, in milliseconds. */
const LINE_MS = 10_000;
/** Between two pictures of the line on a terminal, in milliseconds. */
const FRAME_MS = 100;

/** One line of progress on a terminal, or a line now and then in a log. */
export class ProgressLine {
  /** When each stage began: stages that take turns go on where they were. */
  private readonly began = new Map<Stage, number>();
  private shown: number;
  private drawn = false;

  constructor(
    private readonly screen: Screen,
    private readonly now: () => number = () => performance.now(),
  ) {
    // a log has no line of what is done at once
    this.shown = screen.isTTY ? Number.NEGATIVE_INFINITY : now();
  }

  readonly tell = (progress: Progress): void => {
    const now = this.now();
    if (progress.done <= 1 || !this.began.has(progress.stage)) this.began.set(progress.stage, now);
    const isLast = progress.done === progress.total && this.screen.isTTY;
    const wait = this.screen.isTTY ? FRAME_MS : LINE_MS;
    if (!isLast && now - this.shown < wait) return;
    this.shown = now;
    const text = lineOf(progress, now - this.began.get(progress.stage)!);
    if (!this.screen.isTTY) {
      this.screen.write(`${text}\n`);
      return;
    }
    this.screen.write(`\r\x1b[K${text.slice(0, (this.screen.columns ?? 80) - 1)}`);
    this.drawn = true;
  };

  /** Takes the line away, for what else is to be told. */
  readonly clear = (): void => {
    if (this.drawn) this.screen.write('\r\x1b[K');
    this.drawn = false;
  };
}

/** Such as `quantizing 12 of 35, 8 s left: blocks/1/mlp/fc1`. */
export function lineOf({ stage, done, total, name }: Progress, elapsedMs: number): string {
  const of = total === null ? `${done}` : `${done} of ${total}`;
  const left = total === null || done < 2 ? null : (elapsedMs / (done - 1)) * (total - done);
  const time = left === null || done === total ? '' : `, ${durationOf(left)} left`;
  return `${WORDS[stage]} ${of}${time}${name === '' ? '' : `: ${name}`}`;
}

function durationOf(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
