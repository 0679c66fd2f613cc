import { Arena } from './arena.js';
import type { EmscriptenModule } from './backend.js';
import { BASELINE, RELAXED } from './binaries.js';
import { fromBase64, withSharedMemory } from './binary.js';

/** The exported kernels, by name. Every argument and result is a number. */
export type WasmExports = Readonly<Record<string, (...args: number[]) => number | undefined>>;

/** The modules that run here, compiled for one kind of memory; workers make their own instances of them. */
export interface CompiledModules {
  readonly baseline: WebAssembly.Module;
  readonly relaxed: WebAssembly.Module | null;
}

/** Instances on one memory. */
export interface Instances {
  readonly modules: CompiledModules;
  readonly exports: WasmExports;
  readonly relaxed: boolean;
}

/** The kernels on tfjs's memory, with relaxed SIMD where it is wanted and right; null where the engine has no SIMD. */
export function instantiate(
  heap: EmscriptenModule,
  memory: WebAssembly.Memory,
  shared: boolean,
  wanted = true,
): Instances | null {
  const baseline = compile(BASELINE, shared);
  if (baseline === null) return null;
  const exports = exportsOf(baseline, memory);
  const relaxed = wanted ? compile(RELAXED, shared) : null;
  if (relaxed !== null) {
    const more = exportsOf(relaxed, memory);
    if (isRelaxedDotRight(heap, memory, more)) {
      return { modules: { baseline, relaxed }, exports: { ...exports, ...more }, relaxed: true };
    }
  }
  return { modules: { baseline, relaxed: null }, exports, relaxed: false };
}

function exportsOf(module: WebAssembly.Module, memory: WebAssembly.Memory): WasmExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as WasmExports;
}

/** Null where the engine lacks the instructions. */
function compile(base64: string, shared: boolean): WebAssembly.Module | null {
  const plain = fromBase64(base64);
  const bytes = shared ? withSharedMemory(plain) : plain;
  return WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null;
}

/**
 * Known answers of the relaxed dot product, whose second operand stays in 0 … 127. Validation is not enough: Node 20
 * behind its flag accepts the instruction and gives wrong values.
 */
function isRelaxedDotRight(
  heap: EmscriptenModule,
  memory: WebAssembly.Memory,
  { relaxedDot }: WasmExports,
): boolean {
  const arena = new Arena(heap, 256);
  const [a, b, acc, out] = [arena.take(16), arena.take(16), arena.take(16), arena.take(16)];
  const bytes = new Int8Array(memory.buffer);
  const words = new Int32Array(memory.buffer);
  let right = true;
  for (let round = 0; round < 64; round++) {
    const expected = [0, 1, 2, 3].map((lane) => {
      let sum = (round - 32) * 1_000_003 * (lane + 1);
      words[acc / 4 + lane] = sum;
      for (let i = 4 * lane; i < 4 * lane + 4; i++) {
        // the first rounds are the extremes, −128 × 127 and 127 × 127
        bytes[a + i] = round < 2 ? 127 - 255 * round : (round * 89 + i * 151) % 256;
        bytes[b + i] = round < 2 ? 127 : (round * 61 + i * 37) % 128;
        sum += bytes[a + i]! * bytes[b + i]!;
      }
      return sum | 0;
    });
    relaxedDot!(a, b, acc, out);
    right &&= expected.every((sum, lane) => words[out / 4 + lane] === sum);
  }
  arena.dispose();
  return right;
}
