import * as tf from '@tensorflow/tfjs';
import { unpackCodes } from '../../../ops/numerics/packing.js';
import { ACTIVATIONS } from '../../../ops/quantizedMatMul/checks.js';
import { type Activation, quantizedMatMulContract } from '../../../ops/quantizedMatMul/contract.js';
import { nodeAttrs, numberAttr, stringAttr } from '../../../src/graph/attrs.js';
import { type Graph, type GraphNode, nodeOf } from '../../../src/graph/ir.js';
import { graphOfModel } from '../../../src/graph/model.js';
import type { Matrix, Transform, Vector } from '../../../src/quantize/hadanorm.js';
import { analyze, type PlacedLinear } from '../../../src/recognize/analysis.js';
import { rowsOf, type StoredProduct, transformOf } from './heart.js';
import { feedOf, productOf } from './integerMode.js';
import { samplesAt } from './siteReference.js';

/** A linear of a rewritten graph: what its nodes hold, and what they give. */
export interface RewrittenLinear {
  readonly name: string;
  readonly x: readonly Matrix[]; // of each sample, [tokens, d]
  readonly w: Matrix; // [d, n], as in the original
  readonly bias: Vector; // [n], as in the original
  readonly t: Transform;
  readonly center: 'none' | 'static' | 'dynamic';
  readonly values: Matrix; // Q(X') of all samples, [rows, d]
  readonly codes: Matrix | null; // where the graph has them
  readonly residual: Matrix | null; // δ: [samples, d]
  readonly coefficients: Matrix | null; // c: [samples, r]
  readonly packed: PackedWeights;
  readonly stored: StoredProduct;
  readonly storedBias: Vector; // [n]
  readonly activation: Activation;
  readonly y: Matrix; // [rows, n]
}

/** Weights as the graph has them, unpacked. */
export interface PackedWeights {
  readonly codes: Matrix; // [d, n]
  readonly scale: Matrix; // [groups, n]
  readonly groupSize: number;
  readonly bits: number;
}

/** Every linear of a rewritten model, on what it reads in the original. */
export function rewrittenLinears(
  original: tf.GraphModel,
  rewritten: tf.GraphModel,
  batch: tf.NamedTensorMap,
): RewrittenLinear[] {
  const { linears } = analyze(graphOfModel('test', original));
  const graph = graphOfModel('test', rewritten);
  return linears.flatMap((placed) => {
    const node = productOf(graph, placed.linear.name);
    if (node === undefined) return [];
    const feed = feedOf(original, placed, batch);
    const x = samplesAt(original, placed.site, batch);
    tf.engine().startScope();
    const linear = { ...readLinear(rewritten, graph, placed, node, feed), x };
    tf.engine().endScope();
    tf.dispose(feed);
    return [linear];
  });
}

function readLinear(
  model: tf.GraphModel,
  graph: Graph,
  { linear, site }: PlacedLinear,
  node: GraphNode,
  feed: tf.NamedTensorMap,
): Omit<RewrittenLinear, 'x'> {
  const { d, n, name } = linear;
  const inputs = inputsOf(node);
  const constant = (ref: string | undefined) => {
    const weight = ref === undefined ? undefined : graph.weights.get(ref);
    return weight === undefined ? null : (weight.values() as Float32Array);
  };
  const run = (ref: string | undefined, columns: number) =>
    ref === undefined ? null : rowsOf((model.execute(feed, ref) as tf.Tensor).dataSync(), columns);
  const prefix = `${nodeOf(site.source)}/hadanorm`;
  const rank = (constant(`${prefix}/basis`)?.length ?? 0) / d;
  const x = run(inputs.get('x'), d)!;
  const hasCodes = inputs.has('xScale');
  const codes = hasCodes ? x : null;
  return {
    name,
    w: rowsOf(linear.matrix(), n),
    bias: [...(linear.bias?.read() ?? new Float32Array(n))],
    t: transformOf({
      d,
      sigma: constant(`${prefix}/scale`),
      mean: constant(`${prefix}/mean`),
      basis: constant(`${prefix}/basis`),
      blockSize: blockSizeOf(graph, prefix),
    }),
    center: inputs.has('residual')
      ? 'dynamic'
      : constant(`${prefix}/mean`) === null
        ? 'none'
        : 'static',
    values: codes === null ? x : dequantized(codes, node, (part) => run(inputs.get(part), 1)!),
    codes,
    residual: run(inputs.get('residual'), d),
    coefficients: run(inputs.get('coefficients'), Math.max(rank, 1)),
    packed: packedWeights(node, constant(inputs.get('codes'))!, constant(inputs.get('scale'))!),
    stored: {
      n,
      basis: inputs.has('basis')
        ? {
            rows: { values: constant(inputs.get('basis'))! },
            scale: constant(inputs.get('basisScale')),
          }
        : null,
    },
    storedBias: [...(constant(inputs.get('bias')) ?? new Float32Array(n))],
    activation: ACTIVATIONS.find((one) => one === stringAttr(node.attrs, 'activation', 'none'))!,
    y: run(node.name, n)!,
  };
}

/** The inputs of a product by name. */
function inputsOf({ inputs, attrs }: GraphNode): Map<string, string> {
  const names = quantizedMatMulContract.inputNames(nodeAttrs(attrs));
  return new Map(names.map((name, i) => [name, inputs[i]!]));
}

/** Channels that the rotation of a site mixes; 0 for none. */
function blockSizeOf({ nodes }: Graph, prefix: string): number {
  const node = nodes.get(`${prefix}/rotate`) ?? nodes.get(`${prefix}/quantize`);
  return numberAttr(node!.attrs, 'blockSize', 0);
}

function dequantized(
  codes: Matrix,
  { attrs }: GraphNode,
  part: (name: 'xScale' | 'xZeroPoint') => Matrix,
): Matrix {
  const groupSize = numberAttr(attrs, 'xGroupSize', 0);
  const groups = Math.ceil(codes[0]!.length / groupSize);
  const [scale, zeroPoint] = [part('xScale').flat(), part('xZeroPoint').flat()];
  return codes.map((row, i) =>
    row.map((code, c) => {
      const at = i * groups + Math.floor(c / groupSize);
      return scale[at]! * (code - zeroPoint[at]!);
    }),
  );
}

function packedWeights(
  { attrs }: GraphNode,
  bytes: ArrayLike<number>,
  scale: Float32Array,
): PackedWeights {
  const [d, n, bits, groupSize] = ['d', 'n', 'bits', 'groupSize'].map((name) =>
    numberAttr(attrs, name, 0),
  ) as [number, number, number, number];
  const codes = new Int8Array(d * n);
  unpackCodes(Uint8Array.from(bytes), d, n, bits, 0, d, codes);
  return { codes: rowsOf(codes, n), scale: rowsOf(scale, n), groupSize, bits };
}
