import * as tf from "@tensorflow/tfjs";
import { describeGraph, toGraphModel } from "tfjs-hadanorm";
const layers = tf.sequential({
  layers: [
    tf.layers.dense({ units: 32, activation: "relu", inputShape: [16] }),
    tf.layers.dense({ units: 4 })
  ]
});
console.log(`${describeGraph(layers)}`);
const model = toGraphModel(layers, tf.zeros([2, 16]));
