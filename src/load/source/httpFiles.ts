import { CheckpointError, failed } from '../base/errors.js';
import type { ByteFile, ByteFiles } from './byteFiles.js';

/** A gap up to which it is cheaper to read on than to ask anew. */
const SKIP_BYTES = 2 ** 20;

/** Files under a URL: `base` ends with a slash; `query` goes behind each name. */
export function httpFiles(op: string, base: string, query = ''): ByteFiles {
  return {
    place: base,
    list: async () => null,
    open: async (name, signal) => {
      const file = new HttpFile(op, `${base}${name}${query}`, signal);
      return (await file.start()) ? file : null;
    },
  };
}

/**
 * A file that a server streams, read forward. Where it is read elsewhere, or the connection ends
 * early, it is asked for anew: from there by a server that knows ranges, else from the beginning.
 */
class HttpFile implements ByteFile {
  size: number | null = null;
  anywhere = false;
  private reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  /** What came and was not asked for yet; its first byte is at `at`. */
  private rest: Uint8Array = new Uint8Array(0);
  private at = 0;

  constructor(
    private readonly op: string,
    private readonly url: string,
    private readonly signal: AbortSignal | null,
  ) {}

  /** @returns Whether the file is there. */
  async start(): Promise<boolean> {
    return this.request(0);
  }

  async read(begin: number, end: number): Promise<Uint8Array> {
    const last = this.size === null ? end : Math.min(end, this.size);
    const parts: Uint8Array[] = [];
    let next = begin;
    let idle = 0;
    while (next < last) {
      const part = await this.partFrom(next, last);
      if (part === null && this.size === null) break;
      idle = part === null ? idle + 1 : 0;
      if (idle > 2) {
        throw new CheckpointError(this.op, `${this.url} ends at byte ${next} of ${this.size}.`);
      }
      if (part === null) continue;
      parts.push(part);
      next += part.length;
    }
    return joined(parts, next - begin);
  }

  close(): Promise<void> {
    return this.idle();
  }

  async idle(): Promise<void> {
    const { reader } = this;
    this.reader = null;
    this.rest = new Uint8Array(0);
    // what a connection that is gone says to that is of no use to anybody
    await reader?.cancel().catch(() => {});
  }

  /** Some bytes from a place on; null where the stream ended before it. */
  private async partFrom(begin: number, end: number): Promise<Uint8Array | null> {
    const ahead = begin - this.at;
    const far = ahead > this.rest.length + SKIP_BYTES;
    if (this.reader === null || ahead < 0 || far) {
      await this.idle();
      if (!(await this.request(begin))) throw new CheckpointError(this.op, `${this.url} is gone.`);
    }
    while (this.at + this.rest.length <= begin) {
      this.at += this.rest.length;
      const chunk = await this.next();
      this.rest = chunk ?? new Uint8Array(0);
      if (chunk !== null) continue;
      await this.idle();
      return null;
    }
    const part = this.rest.subarray(begin - this.at, end - this.at);
    this.rest = this.rest.subarray(begin - this.at + part.length);
    this.at = begin + part.length;
    return part;
  }

  private async next(): Promise<Uint8Array | null> {
    try {
      const { done, value } = await this.reader!.read();
      return done ? null : value;
    } catch (error) {
      if (this.signal?.aborted) throw error;
      // an interrupted connection: the caller asks for the rest
      return null;
    }
  }

  private async request(from: number): Promise<boolean> {
    const headers = from === 0 ? {} : { Range: `bytes=${from}-` };
    const response = await this.answer(headers);
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      if (response.status === 404) return false;
      const problem = `${this.url} answered ${response.status} ${response.statusText}`.trimEnd();
      const wayOut = 'What needs a login is to be downloaded: pass its Files.';
      throw new CheckpointError(this.op, `${problem}. ${wayOut}`);
    }
    const [, start] = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '') ?? [];
    this.anywhere ||= response.headers.get('accept-ranges') === 'bytes';
    this.at = response.status === 206 ? Number(start ?? from) : 0;
    const coded = response.headers.get('content-encoding') !== null;
    const length = coded ? null : response.headers.get('content-length');
    // text may come packed, which another origin does not tell
    if (length !== null && !this.url.includes('.json')) this.size = this.at + Number(length);
    this.reader = response.body.getReader();
    return true;
  }

  private async answer(headers: Record<string, string>): Promise<Response> {
    try {
      return await fetch(this.url, { headers, ...(this.signal && { signal: this.signal }) });
    } catch (error) {
      if (this.signal?.aborted) throw error;
      throw failed(this.op, `${this.url} did not come`, error);
    }
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
