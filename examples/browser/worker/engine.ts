import { getBackend, memory } from '@tensorflow/tfjs-core';
import { WebglContextLostError, WebgpuDeviceLostError } from 'tfjs-hadanorm';
import { reportHtml } from 'tfjs-hadanorm/report';
import { type BackendName, backendTitle } from '../shared/choices.js';
import type { MemoryState, Message, Outcome, Request } from '../shared/protocol.js';
import { gpuBytes } from './figures.js';
import { ModelStore } from './modelStore.js';
import { runOnce, type TitledReport } from './run.js';

/** Characters of an error that the page shows: tfjs's may hold a whole binary. */
const MAX_MESSAGE = 600;

type Start = Extract<Request, { kind: 'start' }>;

/** Does what the page asks for: one run at a time. */
export class Engine {
  private readonly store = new ModelStore();
  private current: { readonly run: number; readonly abort: AbortController } | null = null;
  private ended: Promise<void> = Promise.resolve();
  private report: { readonly run: number; readonly titled: TitledReport } | null = null;

  /** @param base Gives the page's address. */
  constructor(
    private readonly base: () => string,
    private readonly tell: (message: Message) => void,
  ) {}

  /** Takes a request; a run's errors are told, not thrown. */
  async take(request: Exclude<Request, { kind: 'hello' }>): Promise<void> {
    switch (request.kind) {
      case 'start':
        return this.start(request);
      case 'cancel':
        if (this.current?.run === request.run) this.current.abort.abort();
        return;
      case 'report':
        return this.writeReport(request.run);
      default:
        request satisfies never;
    }
  }

  /** Begins a run where the last one has ended, which it cancels. */
  private start(request: Start): Promise<void> {
    const abort = new AbortController();
    this.current?.abort.abort();
    this.current = { run: request.run, abort };
    this.report = null;
    this.ended = this.ended.then(() => this.go(request, abort.signal));
    return this.ended;
  }

  private async go({ run, settings, files }: Start, signal: AbortSignal): Promise<void> {
    let outcome: Outcome = { kind: 'done' };
    try {
      const { store, tell } = this;
      const context = { run, settings, files, base: this.base(), signal, store, tell };
      const titled = await runOnce(context);
      if (titled !== null) this.report = { run, titled };
    } catch (error) {
      const message = messageOf(error, settings.backend);
      outcome = signal.aborted ? { kind: 'cancelled' } : { kind: 'failed', message };
    }
    if (this.current?.run === run) this.current = null;
    this.tell({ kind: 'end', run, outcome, memory: memoryState() });
  }

  private async writeReport(run: number): Promise<void> {
    if (this.report?.run !== run) return;
    const { report, title } = this.report.titled;
    this.tell({ kind: 'report', run, html: await reportHtml(report, { title }) });
  }
}

/** What there is to say of an error, whatever was thrown. */
function messageOf(error: unknown, backend: BackendName): string {
  if (error instanceof WebglContextLostError || error instanceof WebgpuDeviceLostError) {
    const problem = `${backendTitle(backend)} lost the GPU, and all that was there with it.`;
    return `${problem} Press Start again, which begins anew, or choose another backend.`;
  }
  const text =
    typeof error === 'object' && error !== null && 'message' in error
      ? `${error.message}`
      : `${error}`;
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}

function memoryState(): MemoryState {
  // before a backend was set there is nothing to ask
  if (!getBackend()) return { numTensors: 0, numBytes: 0, gpuBytes: null };
  const { numTensors, numBytes } = memory();
  return { numTensors, numBytes, gpuBytes: gpuBytes() };
}
