import type { LinearWeights } from '../../models/builder/linear.js';
import { OnnxBuilder, type OnnxRef } from './onnxModel.js';
import { addNBitsProduct, BLOCK, type NBits } from './onnxNBits.js';

/**
 * How the linears of a model compute: as they are, as onnxruntime's `quantize_dynamic` leaves them,
 * or by `MatMulNBits`, with weights of so many bits.
 */
export type OnnxPrecision = OnnxCpuPrecision | NBits;

/** The ones that are quickest on a processor. */
export type OnnxCpuPrecision = 'float32' | 'int8';

/** The largest code: onnxruntime keeps symmetric int8 weights to −127 … 127. */
const LARGEST = 127;

/**
 * x [..., d] → x W + b [..., n]; in floats what has no whole blocks.
 * @param source Names the weights; linears of the same source share them. Default: `name`.
 */
export function addLinear(
  graph: OnnxBuilder,
  name: string,
  x: OnnxRef,
  linear: LinearWeights,
  precision: OnnxPrecision,
  source = name,
): OnnxRef {
  const product = addProduct(graph, name, x, linear, precision, source);
  const [bias] = graph.once(`${source}/bias`, () => [
    graph.constant(`${source}/bias`, [linear.outputs], linear.bias),
  ]);
  return graph.node('Add', name, [product, bias!]);
}

function addProduct(
  graph: OnnxBuilder,
  name: string,
  x: OnnxRef,
  linear: LinearWeights,
  precision: OnnxPrecision,
  source: string,
): OnnxRef {
  const { inputs, outputs, matrix } = linear;
  if (precision === 'int8') return addInt8Product(graph, name, x, linear);
  if (precision !== 'float32' && inputs % BLOCK === 0) {
    return addNBitsProduct(graph, name, x, linear, precision, source);
  }
  const [weight] = graph.once(`${source}/weight`, () => [
    graph.constant(`${source}/weight`, [inputs, outputs], matrix),
  ]);
  return graph.node('MatMul', `${name}/MatMul`, [x, weight!]);
}

/**
 * One linear as a model: `x` float32 [tokens, d] → the first row of y, [1, n]. The rest stays where
 * the next layer of a model would read it: copying it out takes this runtime as long as a tenth of
 * the linear.
 */
export function linearModel(linear: LinearWeights, precision: OnnxPrecision): Uint8Array {
  const graph = new OnnxBuilder();
  const x = graph.input('x', 'float32', ['tokens', linear.inputs]);
  const y = addLinear(graph, 'y', x, linear, precision);
  const first = [graph.ints([0]), graph.ints([1]), graph.ints([0])];
  return graph.build(graph.node('Slice', 'first', [y, ...first]), 'float32', [1, linear.outputs]);
}

/**
 * The nodes that `quantize_dynamic(per_channel=True)` writes; onnxruntime fuses them into one
 * kernel at load.
 */
function addInt8Product(
  graph: OnnxBuilder,
  name: string,
  x: OnnxRef,
  { matrix, inputs: d, outputs: n }: LinearWeights,
): OnnxRef {
  const { codes, scale } = quantizeColumns(matrix, d, n);
  const weights = graph.constant(`${name}/weight_quantized`, [d, n], codes);
  const zeros = graph.constant(`${name}/weight_zero_point`, [n], new Int8Array(n));
  const scales = graph.constant(`${name}/weight_scale`, [n], scale);
  // readers of one x share its codes, as in what the tool writes
  const [xCodes, xScale, xZeroPoint] = graph.once(`${x}/quantized`, () =>
    graph.nodeOf('DynamicQuantizeLinear', `${x}/quantized`, [x], 3),
  );
  const products = [xCodes!, weights, xZeroPoint!, zeros];
  const sums = graph.node('MatMulInteger', `${name}/MatMulInteger`, products);
  const floats = graph.node('Cast', `${name}/Cast`, [sums], { to: { i: 1 } });
  const factor = graph.node('Mul', `${name}/scales`, [xScale!, scales]);
  return graph.node('Mul', `${name}/Mul`, [floats, factor]);
}

/** Symmetric int8, a scale for each column. */
function quantizeColumns(matrix: Float32Array, d: number, n: number) {
  const scale = new Float32Array(n);
  for (let i = 0; i < d * n; i++) {
    scale[i % n] = Math.max(scale[i % n]!, Math.abs(matrix[i]!) / LARGEST);
  }
  const codes = Int8Array.from(matrix, (value, i) => {
    const step = scale[i % n]!;
    return step === 0 ? 0 : Math.max(-LARGEST, Math.min(LARGEST, Math.round(value / step)));
  });
  return { codes, scale };
}
