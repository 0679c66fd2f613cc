/**
 * A graph model that names the ops, as a converter or a rewriter would write it.
 *
 * Run: npx tsx examples/graphModel.ts
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
// importing the plugin registers the graph ops; it must come before the model is loaded
import 'tfjs-hadanorm';
import { attr } from '../src/graph/attrs.js';
import { GraphBuilder } from '../src/graph/builder.js';

await tf.setBackend('wasm');
await tf.ready();

const tokens = 4;
const d = 12;

const graph = new GraphBuilder();
const latent = graph.placeholder('latent', [-1, tokens, d]);
const sigma = graph.constant('sigma', [d], new Float32Array(d).fill(2));
const centered = graph.node('ChannelCenter', 'centered', [latent, sigma], {
  hasScale: attr.bool(true),
});
const rotated = graph.node('HadamardTransform', 'rotated', [centered]);
graph.node('FakeQuant', 'codes', [rotated], {
  bits: attr.int(4),
  granularity: attr.string('perGroup'),
  groupSize: attr.int(4),
});

// what tf.loadGraphModel reads from a URL is the same model.json and weights
const model = await tf.loadGraphModel(tf.io.fromMemory(graph.build(['codes', 'centered:1'])));
const x = tf.randomNormal([2, tokens, d], 3, 1, 'float32', 1);
const [codes, mean] = model.execute({ latent: x }, ['codes', 'centered:1']) as tf.Tensor[];
console.log(`codes ${codes!.shape}, mean of each sample's channels ${mean!.shape}`);
const first = [...mean!.dataSync().slice(0, 4)].map((v) => v.toFixed(2));
console.log(`first means: ${first.join(', ')} (x has mean 3)`);

tf.dispose([x, codes!, mean!]);
model.dispose();
console.log(`tensors left: ${tf.memory().numTensors}`);
