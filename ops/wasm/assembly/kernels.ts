// What the baseline module (SIMD128) exports. Everything below ops/wasm/assembly is AssemblyScript:
// `npm run build:wasm`.
export { hadamardTransform } from './hadamard';
export { gemm16 } from './gemm16';
export { gemmFloat } from './gemmFloat';
export {
  dequantizeRows, narrowCodes, packAlong, packRows16, packRows8, residualDigits,
} from './gemmRows';
export { hadaNormQuantize, meanParts } from './quantize';
export { padDirections, splitRows, turnDirections } from './directions';
export { hadaNormQuantizeAlong } from './quantizeAlong';
export { columnMeans } from './rows';
export { maskedMeans } from './tokenMask';
export { centerRows } from './channelCenter';
export { fakeQuantRuns, mergeRanges, runRanges } from './fakeQuant';
export { fakeQuantColumns } from './fakeQuantColumns';
export { attention } from './attention';
export { layerNorm } from './layerNorm';
