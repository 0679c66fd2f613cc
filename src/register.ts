import { registerOp } from '@tensorflow/tfjs-converter';
import '../ops/register/cpu.js';
import '../ops/register/gradients.js';
import { OPS } from '../ops/index.js';
import { TAP_OP, tapGraphOp } from './calibrate/tap.js';

// tfjs-converter passes more than its types say (see GraphOpNode); a second registration replaces
// the first, alike
for (const { kernelName, graphOp } of OPS) registerOp(kernelName, graphOp);
registerOp(TAP_OP, tapGraphOp);
