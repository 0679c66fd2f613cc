import '../ops/register/all.js';

export * from './core.js';
export * from './threads.js';
export { webgpuReady } from './webgpuReady.js';
