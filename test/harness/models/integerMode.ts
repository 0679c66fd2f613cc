import * as tf from '@tensorflow/tfjs';
import { boolAttr, numberAttr, stringAttr } from '../../../src/graph/attrs.js';
import { type Graph, type GraphNode, nodeOf, type Ref } from '../../../src/graph/ir.js';
import { graphOfModel } from '../../../src/graph/model.js';
import { activationBehind } from '../../../src/recognize/activations.js';
import { analyze, type PlacedLinear } from '../../../src/recognize/analysis.js';
import { dequantized } from '../ops/quantizedActivations.js';

/** One linear in both modes, on the input that it has in the original model. */
export interface Compared {
  readonly name: string;
  /** Whether the product reads codes. */
  readonly codes: boolean;
  /** What the product applies. */
  readonly activation: string;
  /** Activations whose code is not the one that simulate mode has. */
  readonly mismatches: number;
  /** ‖integer − simulated‖ / ‖simulated‖ of the linear's output. */
  readonly error: number;
}

/** Runs every rewritten linear of both models on what it reads in the original. */
export function compareModes(
  original: tf.GraphModel,
  simulated: tf.GraphModel,
  integer: tf.GraphModel,
  batch: tf.NamedTensorMap,
): Compared[] {
  const { linears, view } = analyze(graphOfModel('test', original));
  const [one, other] = [graphOfModel('test', simulated), graphOfModel('test', integer)];
  const compared: Compared[] = [];
  for (const placed of linears) {
    const { name } = placed.linear;
    const [a, b] = [productOf(one, name), productOf(other, name)];
    if (a === undefined || b === undefined) continue;
    const output = other.nodes.has(name) ? name : activationBehind(view, placed.linear)!.output;
    const feed = feedOf(original, placed, batch);
    const codes = boolAttr(b.attrs, 'hasCodes');
    const from = tf.tidy(() => [
      values(simulated, feed, a.inputs[0]!),
      codes ? dequantizedInput(integer, feed, other, b) : values(integer, feed, b.inputs[0]!),
      values(simulated, feed, output),
      values(integer, feed, output),
    ]);
    const [x, q, exact, approximate] = from as [Numbers, Numbers, Numbers, Numbers];
    compared.push({
      ...{ name, codes, activation: stringAttr(b.attrs, 'activation', 'none') },
      mismatches: x.length === q.length ? x.filter((v, i) => v !== q[i]).length : x.length,
      error: distance(exact, approximate),
    });
    tf.dispose(feed);
  }
  return compared;
}

type Numbers = Float32Array;

/** ‖a − b‖ / ‖a‖, infinite for what is not of one length. */
export function distance(a: Numbers, b: Numbers): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const norm = (of: (i: number) => number) =>
    Math.sqrt(a.reduce((sum, _, i) => sum + of(i) ** 2, 0));
  return norm((i) => a[i]! - b[i]!) / norm((i) => a[i]!);
}

/** The product that a linear became: its weights are called after the linear. */
export function productOf({ nodes }: Graph, linear: string): GraphNode | undefined {
  const weights = [`${linear}/hadanorm/codes`, `${linear}/hadanorm/weights`];
  return [...nodes.values()].find(
    ({ op, inputs }) => op === 'QuantizedMatMul' && weights.includes(inputs[1]!),
  );
}

/** What a linear reads in the original, as copies. */
export function feedOf(model: tf.GraphModel, { site }: PlacedLinear, batch: tf.NamedTensorMap) {
  const refs = [site.source, ...(site.like === null ? [] : [site.like])];
  // copies: what the model merely passes on is the caller's; the inputs too, which control inputs
  // may wait for
  return tf.tidy(() => {
    const tensors = [model.execute(batch, refs)].flat();
    const fed = Object.fromEntries(refs.map((ref, i) => [ref, tensors[i]!]));
    const all = Object.entries({ ...batch, ...fed });
    return Object.fromEntries(
      all.map(([name, tensor]) => [name, tf.tensor(tensor.dataSync(), tensor.shape, tensor.dtype)]),
    );
  });
}

function values(model: tf.GraphModel, feed: tf.NamedTensorMap, ref: Ref): Numbers {
  return (model.execute(feed, ref) as tf.Tensor).dataSync() as Numbers;
}

function dequantizedInput(
  model: tf.GraphModel,
  feed: tf.NamedTensorMap,
  { nodes }: Graph,
  { inputs, attrs }: GraphNode,
): Numbers {
  const bits = numberAttr(nodes.get(nodeOf(inputs[0]!))!.attrs, 'bits', 0);
  // weights in float32 have no scale
  const at = numberAttr(attrs, 'bits', 0) === 32 ? 2 : 3;
  const refs = [inputs[0]!, inputs[at]!, inputs[at + 1]!];
  const [codes, scale, zeroPoint] = model.execute(feed, refs) as tf.Tensor[];
  const groupSize = numberAttr(attrs, 'xGroupSize', 0);
  const quantized = { codes: codes!, scale: scale!, zeroPoint: zeroPoint!, bits, groupSize };
  return dequantized(quantized).dataSync() as Numbers;
}
