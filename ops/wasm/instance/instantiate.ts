import type { EmscriptenModule } from './backend.js';
import { fromBase64, withSharedMemory } from './binary.js';
import type { WasmCode } from './code.js';
import type { WasmExports } from './exports.js';
import { type RelaxedDot, relaxedDotOf } from './relaxedDot.js';

/**
 * The modules that run here, compiled for one kind of memory; workers make their own instances of
 * them.
 */
export interface CompiledModules {
  readonly baseline: WebAssembly.Module;
  readonly relaxed: WebAssembly.Module | null;
}

/** Instances on one memory. */
export interface Instances {
  readonly modules: CompiledModules;
  readonly exports: WasmExports;
  /** How relaxed SIMD multiplies here; null where the baseline runs. */
  readonly relaxed: RelaxedDot | null;
}

/**
 * The kernels on tfjs's memory, with relaxed SIMD where it is wanted and right; null where the
 * engine cannot run them.
 */
export function instantiate(
  heap: EmscriptenModule,
  memory: WebAssembly.Memory,
  shared: boolean,
  code: WasmCode,
  wanted = true,
): Instances | null {
  const baseline = compile(code.BASELINE, shared);
  if (baseline === null) return null;
  const exports = exportsOf(baseline, memory);
  const relaxed = wanted ? compile(code.RELAXED, shared) : null;
  if (relaxed !== null) {
    const more = exportsOf(relaxed, memory);
    const dot = relaxedDotOf(heap, memory, more);
    if (dot !== null) {
      return { modules: { baseline, relaxed }, exports: { ...exports, ...more }, relaxed: dot };
    }
  }
  return { modules: { baseline, relaxed: null }, exports, relaxed: null };
}

function exportsOf(module: WebAssembly.Module, memory: WebAssembly.Memory): WasmExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as WasmExports;
}

/**
 * Null where the engine lacks the instructions, or compiles so much in the background only (Chrome
 * before 114).
 */
function compile(base64: string, shared: boolean): WebAssembly.Module | null {
  const plain = fromBase64(base64);
  const bytes = shared ? withSharedMemory(plain) : plain;
  if (!WebAssembly.validate(bytes)) return null;
  try {
    return new WebAssembly.Module(bytes);
  } catch {
    return null;
  }
}
