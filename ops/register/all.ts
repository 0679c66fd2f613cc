// side effects only, in this order: own kernels, then compositions for what is left
import './cpu.js';
import './tensorflow.js';
import './wasmLater.js';
import './webgl.js';
import './webgpuLater.js';
import './composed.js';
import './gradients.js';
