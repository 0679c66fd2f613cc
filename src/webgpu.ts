import '../ops/register/webgpu.js';

export { webgpuReady } from '../ops/webgpu/ready.js';
