// side effects only, in this order: own kernels, then compositions for what is left
import './cpu.js';
import './tensorflow.js';
import './wasm.js';
import './webgl.js';
import './webgpu.js';
import './composed.js';
import './gradients.js';
