/**
 * The WASM kernels, in the memory of tfjs-backend-wasm itself: no tensor is ever copied.
 *
 * Sources: ops/wasm/assembly/*.ts (AssemblyScript). What they share with TypeScript (records that
 * a kernel is told by, constants, scratch layouts) is described once, in scripts/wasmRecords.
 * `npm run build:wasm` writes both sides of it, ops/wasm/records.ts and
 * ops/wasm/assembly/records.ts, compiles kernels.ts (SIMD128) and relaxed.ts (relaxed SIMD), and
 * writes both, checked, into ops/wasm/instance/binaries.ts. All three are committed. To add a
 * kernel:
 *
 * 1. Where it is told more than a few numbers, or lays out scratch memory: describe the record
 *    `Foo` (fields in order) and the layout in scripts/wasmRecords. The build makes
 *    `writeFoo(module, fields)`, which takes exactly these fields, and the layout's bytes for
 *    TypeScript; the class `Foo` and the layout's places for the assembly.
 * 2. `ops/wasm/assembly/<family>.ts`, items begin ≤ i < end of its parallel dimension:
 *
 *        export function foo(
 *          x: usize, out: usize, n: i32, scratch: usize, begin: i32, end: i32,
 *        ): void
 *
 *    Re-export it in kernels.ts (or relaxed.ts); `npm run build:wasm`.
 * 3. `ops/<op>/wasm.ts` (kernel.ts); `[writeFoo(module, fields)]` where it is told by a record:
 *
 *        wasmKernel(fooOp, ({ inputs, attrs, module }) => {
 *          const out = module.output(shape, 'float32');
 *          module.run('foo', [module.addressOf(inputs.x), module.addressOf(out), n], rows);
 *          return out;
 *        });
 *
 * 4. One line in ops/register/wasm.ts.
 *
 * Addresses stay valid when the memory grows, JavaScript views of it do not: make a view
 * (`module.bytes()`) after the last call that may allocate (`output`, `scratch`, `constant`,
 * `addressOf`, a record's writer).
 */
import { type DataType, env, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { InvalidArgumentError, WasmMemoryError } from '../numerics/errors.js';
import { Arena } from './instance/arena.js';
import { isShared, memoryOf, type WasmBackend } from './instance/backend.js';
import { type WasmCode, wasmCode } from './instance/code.js';
import type { WasmExports } from './instance/exports.js';
import { checkBytes, guardHeap } from './instance/heap.js';
import { type CompiledModules, instantiate } from './instance/instantiate.js';
import type { RelaxedDot } from './instance/relaxedDot.js';
import { Tables } from './instance/tables.js';
import { WorkerPool } from './threads/pool.js';
import { isWord, word } from './word.js';

/** Threads take the work in pieces, so that one that is slower or comes late gets less of it. */
const CHUNKS_PER_THREAD = 4;

/** Threads count on beyond the last item, in int32. */
const MOST_ITEMS = 2 ** 30;

/** Threads write to scratch memory of their own (bytes). */
const CACHE_LINE = 64;

/** How `run` may cut the work. */
export interface RunOptions {
  /** The fewest items that are worth a thread. Default 1. */
  readonly grain?: number;
  /** Scratch memory that the kernel is given, bytes per thread. Default none. */
  readonly scratchBytes?: number;
  /** Which argument is float32, where one is; all others are 32 bits. */
  readonly floatAt?: number;
}

/** The kernels on one backend's memory. */
export class WasmModule {
  private readonly arena: Arena;
  private readonly tables: Tables;
  /** What running calls made. */
  private readonly made: TensorInfo[] = [];
  private running = 0;
  private readonly names: readonly string[];
  private pool: WorkerPool | null = null;
  private request = 0;

  constructor(
    private readonly backend: WasmBackend,
    readonly memory: WebAssembly.Memory,
    /** The chosen variants; call them through `run`. */
    readonly exports: WasmExports,
    /** How the relaxed module's exports multiply; null where they are not among them. */
    readonly relaxed: RelaxedDot | null,
    private readonly modules: CompiledModules | null = null,
  ) {
    this.arena = new Arena(backend.wasm);
    this.tables = new Tables(backend.wasm);
    this.names = Object.keys(exports);
  }

  /** The threads that kernels run on. */
  get threads(): number {
    return this.pool?.threads ?? 1;
  }

  /**
   * Starts workers for `threads` threads where the memory is shared, in place of those that run;
   * gives their number.
   */
  async setThreads(threads: number): Promise<number> {
    this.dispose();
    const request = this.request;
    const { backend, memory, modules, names } = this;
    if (threads === 1 || modules === null || !isShared(memory)) return 1;
    const setup = { heap: backend.wasm, memory, modules, names };
    const pool = await WorkerPool.start(setup, threads - 1);
    // the last call decides, even where its workers were quicker
    if (request !== this.request) pool.stop();
    else this.pool = pool;
    return this.threads;
  }

  /** Ends the workers. */
  dispose(): void {
    this.request++;
    this.pool?.stop();
    this.pool = null;
  }

  /** Where a tensor's elements begin (bytes). Fetches a tensor that lives on another backend. */
  addressOf({ dataId }: TensorInfo): number {
    return this.backend.dataIdMap.get(dataId).memoryOffset;
  }

  /** As `addressOf`; 0, which kernels take for none, where there is no tensor. */
  addressIfAny(tensor: TensorInfo | undefined): number {
    return tensor === undefined ? 0 : this.addressOf(tensor);
  }

  /**
   * A new tensor with what happens to be in its memory; disposed of where the call throws.
   * @throws WasmMemoryError where there is no memory for it.
   */
  output(shape: readonly number[], dtype: DataType): TensorInfo {
    const bytes = util.sizeFromShape([...shape]) * util.bytesPerElement(dtype);
    checkBytes(bytes);
    const info = this.backend.makeOutput([...shape], dtype);
    if (this.running > 0) this.made.push(info);
    // tfjs does not look at what malloc gives
    if (this.addressOf(info) !== 0) return info;
    throw new WasmMemoryError(bytes);
  }

  /**
   * `bytes` of memory for this call of the kernel, at a multiple of 64; two calls never give the
   * same.
   */
  scratch(bytes: number): number {
    return this.arena.take(bytes);
  }

  /**
   * The address of a table that is the same in every call, until this call returns: made where
   * there is none, and kept for later ones unless there are too many.
   */
  constant(key: string, make: () => Uint8Array): number {
    return this.tables.get(key, make, (table, address) => this.bytes().set(table, address));
  }

  /** A view of the whole memory, until it grows. */
  bytes(): Uint8Array {
    return new Uint8Array(this.memory.buffer);
  }

  /**
   * Runs a kernel over items 0 … count − 1 of its parallel dimension:
   * `exports[name](...args, scratch, begin, end)`, on all threads where there are enough items. The
   * only way kernels are called.
   */
  run(
    name: string,
    args: readonly number[],
    count: number,
    { grain = 1, scratchBytes = 0, floatAt = -1 }: RunOptions = {},
  ): void {
    const kernel = this.exports[name]!;
    const { pool } = this;
    checkWords(name, args, count, floatAt);
    const share = Math.ceil(count / (CHUNKS_PER_THREAD * this.threads));
    const chunk = Math.ceil(share / grain) * grain;
    this.call(() => {
      if (pool === null || count <= chunk || !pool.takes(args)) {
        kernel(...args, scratchBytes > 0 ? this.arena.take(scratchBytes) : 0, 0, count);
        return;
      }
      const scratchStride = Math.ceil(scratchBytes / CACHE_LINE) * CACHE_LINE;
      const scratch = scratchBytes > 0 ? this.arena.take(scratchStride * pool.slots) : 0;
      const job = { kernel: this.names.indexOf(name), args, count, chunk, scratch, scratchStride };
      pool.run(job, (begin, end) => kernel(...args, scratch, begin, end));
    });
  }

  /**
   * Runs a kernel's body and takes back the scratch memory that it was handed, and where it throws
   * the tensors too.
   */
  call<T>(body: () => T): T {
    const mark = this.arena.mark();
    const made = this.made.length;
    this.running++;
    try {
      return body();
    } catch (error) {
      for (const { dataId } of this.made.splice(made)) this.backend.disposeData(dataId);
      throw error;
    } finally {
      this.arena.release(mark);
      this.running--;
      if (this.running === 0) {
        this.made.length = 0;
        this.tables.trim();
      }
    }
  }
}

function checkWords(name: string, args: readonly number[], count: number, floatAt: number): void {
  if (!(count <= MOST_ITEMS)) {
    const wanted = `at most ${MOST_ITEMS}`;
    throw new InvalidArgumentError('wasm', `the items of ${name}`, wanted, `${count}`);
  }
  for (let i = 0; i < args.length; i++) {
    if (i !== floatAt && !isWord(args[i]!)) word(`argument ${i} of ${name}`, args[i]!);
  }
}

/**
 * tfjs flag (default true): false keeps to SIMD128 where relaxed SIMD could run. It may change
 * between two calls.
 */
export const RELAXED_SIMD_FLAG = 'HADANORM_RELAXED_SIMD';

const modules = {
  relaxed: new WeakMap<WasmBackend, WasmModule | null>(),
  baseline: new WeakMap<WasmBackend, WasmModule | null>(),
};

/**
 * The kernels on a backend's memory, attached at the first call; null where the engine cannot run
 * them, and as long as they are being loaded.
 */
export function wasmModule(backend: WasmBackend): WasmModule | null {
  const relaxed = env().getBool(RELAXED_SIMD_FLAG);
  const attached = relaxed ? modules.relaxed : modules.baseline;
  const known = attached.get(backend);
  if (known !== undefined) return known;
  guardHeap(backend.wasm);
  const code = wasmCode();
  if (code === null) return null;
  const module = attach(backend, code, relaxed);
  attached.set(backend, module);
  return module;
}

function attach(backend: WasmBackend, code: WasmCode, relaxed: boolean): WasmModule | null {
  const memory = memoryOf(backend.wasm);
  if (memory === undefined) return null;
  const instance = instantiate(backend.wasm, memory, isShared(memory), code, relaxed);
  return instance === null
    ? null
    : new WasmModule(backend, memory, instance.exports, instance.relaxed, instance.modules);
}

/** Ends the workers of a backend that is being removed. */
export function disposeWasmModules(backend: WasmBackend): void {
  for (const attached of Object.values(modules)) attached.get(backend)?.dispose();
}
