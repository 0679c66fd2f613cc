/** The builds of tfjs-backend-wasm. */
export const WASM_BUILDS = ['plain', 'simd', 'threaded'] as const;
export type WasmBuild = (typeof WASM_BUILDS)[number];
