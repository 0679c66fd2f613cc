import type * as tf from '@tensorflow/tfjs';
import { normal } from '../numbers/random.js';

/**
 * A tiny DiT with a head beside it that has nothing to do with a transformer: latent [B, 256] → 8 →
 * softmax → 4. The first of its two linears fits no pattern.
 */
export function withSideBranch(artifacts: tf.io.ModelArtifacts): tf.io.ModelArtifacts {
  const { node, ...topology } = artifacts.modelTopology as { node: object[] };
  const type = { type: 'DT_FLOAT' };
  const matMul = (name: string, x: string, w: string) => ({
    name,
    op: 'MatMul',
    input: [x, w],
    attr: { transpose_a: { b: false }, transpose_b: { b: false }, T: type },
  });
  const constant = (name: string, dtype = type) => ({ name, op: 'Const', attr: { dtype } });
  const { inputs, outputs } = artifacts.signature as Record<'inputs' | 'outputs', object>;
  const side = { name: 'side/out:0', dtype: 'DT_FLOAT', tensorShape: { unknownRank: true } };
  const extra = [Int32Array.of(-1, 256), normal(2048, 7, 0, 0.1), normal(32, 8)];
  const data = [new Uint8Array(artifacts.weightData as ArrayBuffer), ...extra];
  const views = data.map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  return {
    ...artifacts,
    modelTopology: {
      ...topology,
      node: [
        ...node,
        constant('side/shape', { type: 'DT_INT32' }),
        constant('side/w1'),
        constant('side/w2'),
        { name: 'side/rows', op: 'Reshape', input: ['latent', 'side/shape'], attr: { T: type } },
        matMul('side/first', 'side/rows', 'side/w1'),
        { name: 'side/softmax', op: 'Softmax', input: ['side/first'], attr: { T: type } },
        matMul('side/out', 'side/softmax', 'side/w2'),
      ],
    },
    signature: { inputs, outputs: { ...outputs, side } },
    weightSpecs: [
      ...artifacts.weightSpecs!,
      { name: 'side/shape', shape: [2], dtype: 'int32' },
      { name: 'side/w1', shape: [256, 8], dtype: 'float32' },
      { name: 'side/w2', shape: [8, 4], dtype: 'float32' },
    ],
    weightData: Uint8Array.from(Buffer.concat(views)).buffer,
  };
}
