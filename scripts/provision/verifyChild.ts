/**
 * Run as a child process by children.ts, because a binding that does not fit its libraries or the
 * processor takes the whole process down. Prints the TensorFlow version once a product is right.
 */
import './nodeUtilShim.js';
import { createRequire } from 'node:module';
import { ANSWER_MARK } from './answer.js';

interface Backend {
  binding?: { TF_Version: string };
}

const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs-node') as typeof import('@tensorflow/tfjs-node');

await tf.ready();
if (tf.getBackend() !== 'tensorflow') throw new Error(`the backend is ${tf.getBackend()}`);
const product = tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2]));
const values = Array.from(await product.data()).join(' ');
if (values !== '19 22 43 50') throw new Error(`matMul gave ${values}`);
const { binding } = tf.backend() as Backend;
console.log(`${ANSWER_MARK}${binding?.TF_Version ?? 'unknown'}`);
