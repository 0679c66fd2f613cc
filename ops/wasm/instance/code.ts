/** The kernels' modules, base64; see binaries.ts. */
export interface WasmCode {
  readonly BASELINE: string;
  /** Relaxed SIMD. */
  readonly RELAXED: string;
}

let code: WasmCode | null = null;

/** From now on WASM's kernels have what they run. */
export function provideCode(given: WasmCode): void {
  code = given;
}

/** The kernels' modules; null while they are being loaded. */
export function wasmCode(): WasmCode | null {
  return code;
}
