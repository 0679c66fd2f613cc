import { getGradient, registerGradient } from '@tensorflow/tfjs-core';
import { OPS } from '../index.js';

// once only: tfjs warns of a second registration in debug mode
for (const { gradient } of OPS) {
  if (gradient !== null && getGradient(gradient.kernelName) == null) registerGradient(gradient);
}
