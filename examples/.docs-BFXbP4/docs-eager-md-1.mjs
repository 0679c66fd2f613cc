import * as tf from "@tensorflow/tfjs";
import { describeGraph, toGraphModel } from "tfjs-hadanorm";
const [tokens, width] = [4, 16];
const weights = [3 * width, width].map(
  (columns) => tf.randomNormal([width, columns], 0, 0.2)
);
const linear = (x, w) => tf.reshape(tf.matMul(tf.reshape(x, [-1, width]), w), [-1, tokens, w.shape[1]]);
function attention({ x }) {
  const [q, k, v] = tf.split(linear(x, weights[0]), 3, -1);
  const scores = tf.mul(tf.matMul(q, k, false, true), width ** -0.5);
  return { y: tf.add(x, linear(tf.matMul(tf.softmax(scores), v), weights[1])) };
}
const model = toGraphModel(attention, { x: tf.ones([2, tokens, width]) });
console.log(`${describeGraph(model)}`);
const y = model.predict({ x: tf.ones([5, tokens, width]) });
