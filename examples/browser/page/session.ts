import type { Message, Request } from '../shared/protocol.js';
import type { Settings } from '../shared/settings.js';

/**
 * A worker that has not stopped by then is ended (ms): a step of a large model takes longer on a
 * slow backend.
 */
const CANCEL_LIMIT_MS = 1500;

/** What the page is told. */
export interface SessionEvents {
  /** What the worker says, of the current run only. */
  message(message: Message): void;
  /** The run's worker is gone: it was ended because it did not stop, or it failed. */
  gone(run: number, problem: string | null): void;
}

/** The page's worker, or the next one where that had to be ended. */
export class Session {
  /**
   * None where the last one failed before there was anything to do: another try at the next start.
   */
  private worker: Worker | null;
  private run = 0;
  private running = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly events: SessionEvents) {
    this.worker = this.spawn();
  }

  /** Starts a run; gives its number. */
  start(settings: Settings, files: readonly File[]): number {
    this.worker ??= this.spawn();
    this.run++;
    this.running = true;
    this.ask({ kind: 'start', run: this.run, settings, files });
    return this.run;
  }

  /** Stops the run, within a moment whatever it is doing. */
  cancel(): void {
    if (!this.running || this.timer !== undefined) return;
    this.ask({ kind: 'cancel', run: this.run });
    this.timer = setTimeout(() => this.replace(null), CANCEL_LIMIT_MS);
  }

  /** Asks for the last run's report. */
  askReport(): void {
    this.ask({ kind: 'report', run: this.run });
  }

  private spawn(): Worker {
    const worker = new Worker(new URL('../worker/main.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<Message>) => this.take(worker, data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker === this.worker) this.replace(event.message || 'the worker could not be started');
    };
    const hello: Request = { kind: 'hello', base: document.baseURI };
    worker.postMessage(hello);
    return worker;
  }

  private take(worker: Worker, message: Message): void {
    if (worker !== this.worker) return;
    if ('run' in message && message.run !== this.run) return;
    if (message.kind === 'end') this.ended();
    this.events.message(message);
  }

  /**
   * Ends the worker, and has another ready if there was a run: a worker that cannot even start is
   * not tried at once.
   */
  private replace(problem: string | null): void {
    const { running, run } = this;
    this.ended();
    this.worker?.terminate();
    this.worker = running ? this.spawn() : null;
    this.events.gone(run, problem);
  }

  private ended(): void {
    this.running = false;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private ask(request: Request): void {
    this.worker?.postMessage(request);
  }
}
