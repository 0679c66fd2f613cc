import '../ops/register/wasm.js';

export * from './threads.js';
