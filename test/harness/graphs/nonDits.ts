import type * as tf from '@tensorflow/tfjs';
import { attr } from '../../../src/graph/attrs.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import { Kit } from './kit.js';
import { activation, norm } from './layers.js';
import { rowLinear, tokenLinear } from './linears.js';
import { randomTensor } from './tensors.js';

/** A model in which there is nothing for HadaNorm to do. */
export interface NonDit {
  readonly title: string;
  readonly artifacts: tf.io.ModelArtifacts;
  readonly inputs: () => Record<string, tf.Tensor>;
  /** Runs under executeAsync only. */
  readonly controlFlow: boolean;
}

export function nonDits(): NonDit[] {
  return [classifier(), convolutional(), mixer(), similarity(), looping(), empty(), identity()];
}

function classifier(): NonDit {
  const k = new Kit(11);
  const x = k.input([-1, 12]);
  const hidden = activation(k, rowLinear(k, x, 12, 20, 'other', 'fused'), 'erf');
  const logits = rowLinear(k, hidden, 20, 5, 'other', 'matMul');
  const artifacts = k.graph.build([k.node('Softmax', [logits])]);
  const inputs = () => ({ [x]: randomTensor([3, 12], 1) });
  return { title: 'a classifier', artifacts, inputs, controlFlow: false };
}

function convolutional(): NonDit {
  const k = new Kit(12);
  const x = k.input([-1, 8, 8, 3]);
  const attrs = {
    strides: attr.ints([1, 2, 2, 1]),
    padding: attr.string('SAME'),
    data_format: attr.string('NHWC'),
    dilations: attr.ints([1, 1, 1, 1]),
  };
  const conv = k.node('Conv2D', [x, k.weight([3, 3, 3, 8], 0.3)], attrs);
  const pooled = k.node('Mean', [k.node('Relu', [conv]), k.ints([1, 2])], {
    keep_dims: attr.bool(false),
  });
  const artifacts = k.graph.build([rowLinear(k, pooled, 8, 4, 'other', 'fused')]);
  const inputs = () => ({ [x]: randomTensor([2, 8, 8, 3], 2) });
  return { title: 'convolutions with a dense head', artifacts, inputs, controlFlow: false };
}

/** Norms, gates and MLPs on tokens as a transformer has them, but no attention. */
function mixer(): NonDit {
  const k = new Kit(13);
  const input = k.input([-1, 6, 12]);
  const x = { ref: norm(k, input, 12, 'affine'), count: 6, d: 12 };
  const wide = tokenLinear(k, x, 24, 'other', 'batch');
  const act = { ...wide, ref: activation(k, wide.ref, 'silu') };
  const narrow = tokenLinear(k, act, 12, 'other', 'keras');
  const artifacts = k.graph.build([k.add(input, narrow.ref)]);
  const inputs = () => ({ [input]: randomTensor([2, 6, 12], 3) });
  return { title: 'an MLP on tokens', artifacts, inputs, controlFlow: false };
}

/** A softmax of a product that is the result, as CLIP has it. */
function similarity(): NonDit {
  const k = new Kit(14);
  const [a, b] = [k.input([-1, 12]), k.input([-1, 12])];
  const [x, y] = [a, b].map((ref) => rowLinear(k, ref, 12, 8, 'other', 'fused'));
  const artifacts = k.graph.build([k.node('Softmax', [k.matMul(x!, y!, true)])]);
  const inputs = () => ({ [a]: randomTensor([2, 12], 4), [b]: randomTensor([3, 12], 5) });
  return { title: 'similarities of two embeddings', artifacts, inputs, controlFlow: false };
}

/** A recurrent cell in a while loop of Enter, Merge, Switch, NextIteration and Exit. */
function looping(): NonDit {
  const k = new Kit(15);
  const x = k.input([-1, 12]);
  const frame = { frame_name: attr.string('frame'), is_constant: attr.bool(false) };
  const enter = (ref: string) => k.node('Enter', [ref], frame);
  const state = enter(x);
  const step = enter(k.int(0));
  // the back edge is drawn when its node is there: see below
  const mergedState = k.node('Merge', [state], { N: attr.int(2) });
  const mergedStep = k.node('Merge', [step], { N: attr.int(2) });
  const limit = k.node('Enter', [k.int(3)], {
    frame_name: attr.string('frame'),
    is_constant: attr.bool(true),
  });
  const goesOn = k.node('LoopCond', [k.node('Less', [mergedStep, limit])]);
  const switchedState = k.node('Switch', [mergedState, goesOn]);
  const switchedStep = k.node('Switch', [mergedStep, goesOn]);
  const one = k.node('Enter', [k.int(1)], {
    frame_name: attr.string('frame'),
    is_constant: attr.bool(true),
  });
  const cell = k.node('Tanh', [rowLinear(k, `${switchedState}:1`, 12, 12, 'other', 'matMul')]);
  const nextState = k.node('NextIteration', [cell]);
  const nextStep = k.node('NextIteration', [k.node('AddV2', [`${switchedStep}:1`, one])]);
  const artifacts = k.graph.build([k.node('Exit', [switchedState])]);
  withInput(artifacts, mergedState, nextState);
  withInput(artifacts, mergedStep, nextStep);
  const inputs = () => ({ [x]: randomTensor([2, 12], 6) });
  return { title: 'a recurrent cell in a loop', artifacts, inputs, controlFlow: true };
}

function empty(): NonDit {
  const artifacts = new GraphBuilder().build([]);
  return { title: 'an empty graph', artifacts, inputs: () => ({}), controlFlow: false };
}

function identity(): NonDit {
  const k = new Kit(16);
  const x = k.input([-1, 3]);
  const artifacts = k.graph.build([k.node('Identity', [x])]);
  const inputs = () => ({ [x]: randomTensor([2, 3], 7) });
  return { title: 'a graph without weights', artifacts, inputs, controlFlow: false };
}

/** A builder takes only inputs that are there; a loop's back edge is not. */
function withInput(artifacts: tf.io.ModelArtifacts, name: string, input: string): void {
  const { node } = artifacts.modelTopology as { node: { name: string; input: string[] }[] };
  const found = node.find((def) => def.name === name)!;
  found.input = [...found.input, input];
}
