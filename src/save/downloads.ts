import { env, type io } from '@tensorflow/tfjs-core';
import { throwIfAborted } from '../../ops/common/callers.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { describe, HadaNormError } from '../../ops/numerics/errors.js';
import { ModelFormatError, ModelLoadError } from './format.js';

/** How tfjs calls a fetch. */
type Fetch = NonNullable<io.LoadOptions['fetchFunc']>;

/** The files of one model as they come: typed errors, progress, and an end by a signal. */
export class Downloads {
  private asked = 0;
  private came = 0;
  /** Files of weights that model.json names. */
  private named: number | null = null;

  constructor(
    private readonly op: string,
    private readonly watch: WatchOptions,
  ) {}

  /** The options of tfjs with a fetch that throws where an answer is none: tfjs takes any. */
  watched({ fetchFunc, ...options }: io.LoadOptions): io.LoadOptions {
    const { op } = this;
    const watched: Fetch = async (path, init, ...more: unknown[]) => {
      this.asked++;
      const { signal } = this.watch;
      const given = signal === undefined ? init : { ...init, signal };
      let response: Response;
      try {
        const fetched = fetchFunc ?? env().platform.fetch;
        response = await Reflect.apply(fetched, undefined, [path, given, ...more]);
      } catch (error) {
        throwIfAborted(op, signal);
        if (isAbort(error)) throw error;
        const cause = `${describe(path)} did not come (${wordsOf(error)})`;
        const problem = `the model cannot be read: ${cause}.`;
        throw caused(new ModelLoadError(op, `${problem} ${wayOut(path)}`), error);
      }
      if (response?.ok !== false) return this.told(response, `${path}`);
      const status = `${response.status} ${response.statusText}`.trim();
      const answer = `the server answered ${status} for ${describe(path)}`;
      const problem = `the model cannot be read: ${answer}.`;
      throw new ModelLoadError(op, `${problem} Check the URL, and that all files are there.`);
    };
    return { ...options, fetchFunc: watched };
  }

  /** The model is made: the last part, whatever came. */
  done(): void {
    const total = this.came + 1;
    this.watch.onProgress?.({ stage: 'load', done: total, total, name: '' });
  }

  /**
   * The same response, which tells when it was read. tfjs's own progress leaves a rejection that
   * nobody handles where a file does not come.
   */
  private told(response: Response, path: string): Response {
    const name = path.split('/').at(-1)!;
    for (const reader of ['arrayBuffer', 'json'] as const) {
      const read = response?.[reader];
      if (typeof read !== 'function') continue;
      const telling = async () => {
        const value: unknown = await Reflect.apply(read, response, []);
        if (reader === 'json') this.named = shardsIn(value);
        this.tell(name);
        return value;
      };
      Object.defineProperty(response, reader, { value: telling, configurable: true });
    }
    const { body } = response ?? {};
    if (body instanceof ReadableStream) {
      // what streamWeights reads
      const flush = () => this.tell(name);
      const get = () => body.pipeThrough(new TransformStream({ flush }));
      Object.defineProperty(response, 'body', { get, configurable: true });
    }
    return response;
  }

  /** As many files as model.json names, or as tfjs has asked for, and the model. */
  private tell(name: string): void {
    this.came++;
    const total = this.came === 1 ? null : (this.named ?? this.asked - 1) + 2;
    this.watch.onProgress?.({ stage: 'load', done: this.came, total, name });
  }
}

function shardsIn(json: unknown): number | null {
  const { weightsManifest } = (json ?? {}) as Partial<io.ModelJSON>;
  if (!Array.isArray(weightsManifest)) return null;
  return weightsManifest.flatMap((group) => group?.paths ?? []).length;
}

/** Outside of pages fetch takes no relative path: somebody meant a folder. */
function wayOut(path: unknown): string {
  const isUrl = /^\w{2,}:/.test(`${path}`) || 'document' in globalThis;
  if (isUrl) return 'Check the URL and the network.';
  return "In Node, pass fileSystem(folder) of 'tfjs-hadanorm/node'.";
}

/** What a handler threw: contents that are wrong, or files that did not come. */
export function loadError(op: string, error: unknown): unknown {
  if (error instanceof HadaNormError || isAbort(error)) return error;
  const words = wordsOf(error);
  const { name } = error instanceof Error ? error : { name: '' };
  const unreached = /fetch|network|load failed|status code|ECONN|ENOENT/i.test(words);
  const unread = /Type|Range|Syntax/.test(name) || /JSON|model topology/.test(words);
  const problem = `the model cannot be read: ${words}`;
  if (unread && !unreached) return caused(new ModelFormatError(op, problem), error);
  return caused(new ModelLoadError(op, problem), error);
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : describe(error);
}

/** tfjs's words stay, as the cause. */
export function caused<T extends Error>(failure: T, cause: unknown): T {
  return Object.assign(failure, { cause });
}
