import type * as tf from '@tensorflow/tfjs';
import type { Ref } from '../../../src/graph/ir.js';
import { Kit } from './kit.js';
import { randomTensor } from './tensors.js';

/**
 * A graph of a few nodes: inputs by shape (−1: 2 in a run), and the outputs that are made of them.
 */
export interface SmallGraph {
  readonly shapes: readonly (readonly number[])[];
  readonly build: (k: Kit, inputs: readonly Ref[]) => Ref | readonly Ref[];
}

/** The length in a run of what a graph leaves open. */
const OPEN = 2;

/** The artifacts of a small graph, and inputs for it. */
export function smallGraph({ shapes, build }: SmallGraph): {
  artifacts: tf.io.ModelArtifacts;
  inputs: (seed: number) => Record<string, tf.Tensor>;
} {
  const k = new Kit(17);
  const refs = shapes.map((shape) => k.input(shape));
  const built = build(k, refs);
  const outputs = typeof built === 'string' ? [built] : built;
  const sizes = shapes.map((shape) => shape.map((size) => (size < 0 ? OPEN : size)));
  return {
    artifacts: k.graph.build([...outputs]),
    inputs: (seed) =>
      Object.fromEntries(refs.map((ref, i) => [ref, randomTensor(sizes[i]!, seed + i)])),
  };
}
