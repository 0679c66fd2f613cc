import * as tf from '@tensorflow/tfjs';
import { buildDit, type DitConfig } from '../../../models/builder/dit.js';
import { seededDitWeights } from '../../../models/seeded.js';
import type { NodeDef } from '../../../src/graph/ir.js';
import type { Role } from '../../../src/index.js';
import { normal } from '../numbers/random.js';
import type { Expected, ZooGraph } from './kit.js';
import { evenly } from './tensors.js';

const CONFIG: DitConfig = {
  inputSize: 6,
  patchSize: 2,
  channels: 3,
  hiddenSize: 24,
  depth: 2,
  numHeads: 2,
  mlpRatio: 2,
  numClasses: 4,
};

/** The part of a product's original name that tells its role. */
const ROLE_OF: readonly (readonly [RegExp, Role])[] = [
  [/^x_embedder|^t_embedder/, 'embedding'],
  [/adaLN_modulation/, 'modulation'],
  [/attn\/qkv/, 'attention.qkv'],
  [/attn\/q\//, 'attention.q'],
  [/attn\/k\//, 'attention.k'],
  [/attn\/v\//, 'attention.v'],
  [/attn\/proj/, 'attention.out'],
  [/fc1/, 'mlp.in'],
  [/fc2/, 'mlp.out'],
  [/^final_layer\/linear/, 'final'],
];

/** The DiT of models/builder/dit.ts with its nodes renamed to n0, n1, …. */
export function obfuscatedDit(style: Pick<DitConfig, 'linear' | 'attention'>): ZooGraph {
  const artifacts = buildDit({ ...CONFIG, ...style }, seededDitWeights(CONFIG, 1));
  const { node: nodes } = artifacts.modelTopology as { node: NodeDef[] };
  const names = new Map(nodes.map(({ name }, i) => [name, `n${i}`]));
  const expected = new Map<string, Expected>();
  for (const { name, op, input } of nodes) {
    const role = ROLE_OF.find(([pattern]) => pattern.test(name))?.[1];
    if (role === undefined || !/^(_FusedMatMul|MatMul|BatchMatMulV2|Einsum)$/.test(op)) continue;
    const shape = artifacts.weightSpecs!.find((spec) => spec.name === input![1])!.shape;
    expected.set(names.get(name)!, {
      role,
      ...sizes(shape, role),
      bias: !isLoose(style.linear, name),
    });
  }
  const renamed = renameNodes(artifacts, names);
  const [latent, timestep, label] = ['latent', 'timestep', 'label'].map((name) => names.get(name)!);
  return {
    artifacts: renamed,
    expected,
    tokens: [9],
    inputs: (batch, _tokens, seed) => ({
      [latent!]: tf.tensor(normal(batch * 108, seed), [batch, 6, 6, 3]),
      [timestep!]: evenly(0.2, 0.8, batch),
      [label!]: tf.tensor1d(
        Array.from({ length: batch }, (_, i) => i % 5),
        'int32',
      ),
    }),
  };
}

/** Where a Reshape stands between a product and its bias, the bias stays a node of its own. */
function isLoose(linear: DitConfig['linear'], name: string): boolean {
  return linear === 'matMul' && !/^t_embedder|adaLN/.test(name);
}

/** [d, n] of a weight: heads and their channels belong together. */
function sizes(shape: readonly number[], role: Role): { d: number; n: number } {
  const inner = role === 'attention.out' ? shape.length - 1 : 1;
  const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
  return { d: product(shape.slice(0, inner)), n: product(shape.slice(inner)) };
}

function renameNodes(
  artifacts: tf.io.ModelArtifacts,
  names: ReadonlyMap<string, string>,
): tf.io.ModelArtifacts {
  const renamed = (ref: string) =>
    ref.replace(/^(\^?)(.*?)(:\d+)?$/, (_, caret, name, output) => {
      return `${caret}${names.get(name)}${output ?? ''}`;
    });
  const topology = artifacts.modelTopology as { node: NodeDef[] };
  const node = topology.node.map((def) => ({
    ...def,
    name: renamed(def.name),
    input: (def.input ?? []).map(renamed),
  }));
  const ends = (given: Record<string, { name: string }>) =>
    Object.fromEntries(
      Object.entries(given).map(([key, end]) => {
        return [renamed(key), { ...end, name: renamed(end.name) }];
      }),
    );
  const { inputs, outputs } = artifacts.signature as Record<'inputs' | 'outputs', never>;
  return {
    ...artifacts,
    modelTopology: { ...topology, node },
    weightSpecs: artifacts.weightSpecs!.map((spec) => ({ ...spec, name: renamed(spec.name) })),
    signature: { inputs: ends(inputs), outputs: ends(outputs) },
  };
}
