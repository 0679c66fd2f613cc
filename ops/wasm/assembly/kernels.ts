// What the baseline module (SIMD128) exports. Everything below ops/wasm/assembly is AssemblyScript: `npm run build:wasm`.
export { hadamardTransform } from './hadamard';
