import { fromBase64 } from '../../ops/wasm/instance/binary.js';
import { SCALES } from '../../ops/wasm/instance/scalesBinary.js';

/** What a search tries: the largest magnitude times a factor over an end of the code range. */
export interface Tried {
  readonly factors: readonly number[];
  readonly qMin: number;
  readonly qMax: number;
}

/** Numbers of a group that are looked at at a time. */
const CHUNK = 2 ** 18;

/** Columns that the module takes together. */
const WIDTH = 4;

/** Bytes of a row of them while they are looked at. */
const ROW_BYTES = 8 * WIDTH;

interface ScaleModule {
  readonly memory: WebAssembly.Memory;
  readonly searchScales: (...args: readonly number[]) => void;
}

/** Undefined until it is asked for; null where the engine cannot run it, or must not. */
let loaded: ScaleModule | null | undefined;

/**
 * The scales of the columns of values [rows, n] into `scales`, as `ScaleSearch.best` chooses them,
 * to the bit and some times faster: two at a time in SIMD's float64. False where that cannot be
 * done here.
 */
export function searchedInWasm(
  values: Float32Array,
  rows: number,
  n: number,
  scales: Float32Array,
  tried: Tried,
): boolean {
  loaded = loaded === undefined ? load() : loaded;
  if (loaded === null || n < WIDTH) return false;
  const fitting = Math.floor(CHUNK / rows / WIDTH) * WIDTH;
  const width = Math.min(Math.max(fitting, WIDTH), n);
  for (let from = 0; from < n; from += width) {
    const first = Math.min(from, n - width);
    searchChunk(loaded, { values, rows, n, first, width }, scales, tried);
  }
  return true;
}

/** Some columns of values [rows, n]. */
interface Chunk {
  readonly values: Float32Array;
  readonly rows: number;
  readonly n: number;
  readonly first: number;
  readonly width: number;
}

function searchChunk(
  { memory, searchScales }: ScaleModule,
  { values, rows, n, first, width }: Chunk,
  scales: Float32Array,
  { factors, qMin, qMax }: Tried,
): void {
  const scratch = 8 * factors.length;
  const from = scratch + ROW_BYTES * rows;
  const to = from + 4 * rows * width;
  reserve(memory, to + 4 * width);
  new Float64Array(memory.buffer, 0, factors.length).set(factors);
  const own = new Float32Array(memory.buffer, from, rows * width);
  if (width === n) own.set(values);
  else {
    for (let r = 0; r < rows; r++) {
      own.set(values.subarray(r * n + first, r * n + first + width), r * width);
    }
  }
  searchScales(from, rows, width, to, 0, factors.length, qMin, qMax, scratch);
  scales.set(new Float32Array(memory.buffer, to, width), first);
}

const PAGE_BYTES = 2 ** 16;

function reserve(memory: WebAssembly.Memory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
}

function load(): ScaleModule | null {
  // an engine without SIMD, or a page whose policy forbids what is compiled
  try {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const module = new WebAssembly.Module(fromBase64(SCALES));
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return { memory, ...(exports as Omit<ScaleModule, 'memory'>) };
  } catch {
    return null;
  }
}
