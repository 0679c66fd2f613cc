import { isOfKind, KIND } from './kinds.js';

/**
 * Base class of every error this package throws on purpose; `op` is the op or function at fault.
 *
 * `instanceof` holds across copies of the package: an error of the CommonJS build is one of the ES
 * modules' too.
 */
export class HadaNormError extends Error {
  static readonly [KIND]: string = 'HadaNormError';
  static override readonly [Symbol.hasInstance] = isOfKind;
  override readonly name: string = 'HadaNormError';

  constructor(
    readonly op: string,
    message: string,
  ) {
    super(`${op}: ${message}`);
  }
}

/** An argument, option or graph attribute that the op cannot take. */
export class InvalidArgumentError extends HadaNormError {
  static override readonly [KIND] = 'InvalidArgumentError';
  override readonly name = 'InvalidArgumentError';

  /**
   * @param op The op or function that was called.
   * @param argument The argument's name as the caller wrote it.
   * @param wanted What would have been right.
   * @param got What came.
   * @param wayOut What the caller can do, as a sentence.
   */
  constructor(
    op: string,
    readonly argument: string,
    readonly wanted: string,
    readonly got: string,
    readonly wayOut = '',
  ) {
    super(op, `${argument} must be ${wanted}, got ${got}.${wayOut === '' ? '' : ` ${wayOut}`}`);
  }
}

/**
 * Long work was cancelled by its `signal`, whose reason is the `cause`. Its name is 'AbortError',
 * as that of what browsers throw.
 */
export class AbortedError extends HadaNormError {
  static override readonly [KIND]: string = 'AbortedError';
  override readonly name: string = 'AbortError';

  /**
   * @param op The function that was called.
   * @param reason The signal's.
   * @param message What is left of the work.
   */
  constructor(op: string, reason?: unknown, message = 'cancelled.') {
    super(op, message);
    if (reason !== undefined) this.cause = reason;
  }
}

/** No Hadamard matrix of the wanted size is known to this package. */
export class HadamardSizeError extends HadaNormError {
  static override readonly [KIND] = 'HadamardSizeError';
  override readonly name = 'HadamardSizeError';

  /**
   * @param op The op or function that was called.
   * @param size The size without a construction.
   * @param blockSize The largest block size that divides `size` and has a construction (≥ 1).
   * @param padTo The next larger size that has one.
   * @param factorization `size` as a product of primes, for the message.
   */
  constructor(
    op: string,
    readonly size: number,
    readonly blockSize: number,
    readonly padTo: number,
    factorization: string,
  ) {
    const block = blockSize > 1 ? `Use blockSize ${blockSize}, or pad` : 'Pad';
    super(
      op,
      `no Hadamard matrix of size ${size} (${factorization}). ${block} the layer to ${padTo}.`,
    );
  }
}

/** The WASM backend's memory, which holds every tensor, cannot grow by what a kernel needs. */
export class WasmMemoryError extends HadaNormError {
  static override readonly [KIND] = 'WasmMemoryError';
  override readonly name = 'WasmMemoryError';

  constructor(readonly bytes: number) {
    super(
      'wasm',
      `no memory left for ${bytes} more bytes. Dispose of tensors, or use smaller batches.`,
    );
  }
}

/**
 * A worker thread of the WASM kernels failed within a call, whose result is not complete. Later
 * calls run on one thread.
 */
export class WasmThreadError extends HadaNormError {
  static override readonly [KIND] = 'WasmThreadError';
  override readonly name = 'WasmThreadError';

  constructor(reason: string) {
    const wayOut = 'repeat what failed; setThreads(n) starts new workers';
    super('wasm', `${reason}. Kernels go on with one thread: ${wayOut}.`);
  }
}

/** What became of a GPU backend: the browser took its device away, or somebody removed it. */
export type DeviceFate = 'lost' | 'removed';

/**
 * The GPU took the WebGL context away (a driver's reset, too much memory), or the backend was
 * removed; every tensor on it is lost. A context that is restored comes back empty.
 */
export class WebglContextLostError extends HadaNormError {
  static override readonly [KIND] = 'WebglContextLostError';
  override readonly name = 'WebglContextLostError';

  constructor(op: string, fate: DeviceFate = 'lost') {
    super(op, fateOf('the WebGL context', 'webgl', fate));
  }
}

/** As `WebglContextLostError`, of the device of the WebGPU backend. */
export class WebgpuDeviceLostError extends HadaNormError {
  static override readonly [KIND] = 'WebgpuDeviceLostError';
  override readonly name = 'WebgpuDeviceLostError';

  constructor(op: string, fate: DeviceFate = 'lost') {
    super(op, fateOf('the WebGPU device', 'webgpu', fate));
  }
}

function fateOf(device: string, backend: string, fate: DeviceFate): string {
  const what = fate === 'lost' ? `${device} is lost` : `the backend ${backend} was removed`;
  const problem = `${what}, and every tensor of the backend with it.`;
  if (fate === 'removed') return `${problem} Load the model again.`;
  const anew = 'remove the backend, register it anew and load the model again';
  return `${problem} Reload the page, or ${anew} (docs/backends.md shows how).`;
}

/** The device cannot give right results, or has no room for them. */
export class UnsupportedDeviceError extends HadaNormError {
  static override readonly [KIND] = 'UnsupportedDeviceError';
  override readonly name = 'UnsupportedDeviceError';

  /**
   * @param op The op or function that was called.
   * @param wanted What the device would have to have.
   * @param got What it has.
   * @param wayOut What the caller can do, as a sentence.
   */
  constructor(
    op: string,
    readonly wanted: string,
    readonly got: string,
    wayOut = 'Use another backend: wasm, or cpu.',
  ) {
    super(op, `the device must have ${wanted}, it has ${got}. ${wayOut}`);
  }
}

/** Characters of a string that an error message shows. */
const MAX_TEXT = 200;

/** A short, safe description of any value for an error message, of one that throws too. */
export function describe(value: unknown, depth = 0): string {
  try {
    return described(value, depth);
  } catch {
    return 'an object that cannot be read';
  }
}

function described(value: unknown, depth: number): string {
  if (typeof value === 'string') {
    return value.length > MAX_TEXT
      ? `${JSON.stringify(value.slice(0, MAX_TEXT))}… (${value.length} characters)`
      : JSON.stringify(value);
  }
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) {
    return value.length > 8 || depth > 3
      ? `an array of ${value.length}`
      : `[${value.map((item) => describe(item, depth + 1)).join(', ')}]`;
  }
  if (value !== null && typeof value === 'object') {
    const keys = Object.keys(value);
    const shown = keys.slice(0, 6).join(', ') + (keys.length > 6 ? ', …' : '');
    return shown === '' ? 'an empty object' : `an object with ${shown}`;
  }
  return typeof value === 'bigint' ? `${value}n` : String(value);
}

/** Work on a GPU that cannot be recorded once and run again: it would not be the same work. */
export class NotRecordableError extends HadaNormError {
  static override readonly [KIND] = 'NotRecordableError';
  override readonly name = 'NotRecordableError';

  /**
   * @param op The function that was called.
   * @param what What cannot be recorded, and why, as a clause.
   */
  constructor(
    op: string,
    readonly what: string,
  ) {
    super(op, `${what}. Run the model with execute: plans hold what is the same at each run.`);
  }
}
