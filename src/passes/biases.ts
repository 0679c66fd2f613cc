import { attr, boolAttr, stringAttr } from '../graph/attrs.js';
import type { ConstantView } from '../graph/constants.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { IDENTITY, SHAPING } from '../graph/opSets.js';
import { type FusedActivation, fusedSteps } from '../recognize/fusedParts.js';
import type { Match, Pass } from '../recognize/normalize/engine.js';
import type { ShapedView } from '../shapes/view.js';

/** A fused op whose bias tfjs would add wrongly, or not at all. */
interface Biased extends Match {
  readonly node: GraphNode;
  readonly way: BiasVector | BiasSum;
}

/** The op with the bias as a vector. */
interface BiasVector {
  readonly kind: 'vector';
  readonly bias: ConstantView;
}

/** The product, the bias and the activation each by itself. */
interface BiasSum {
  readonly kind: 'sum';
  readonly bias: Ref;
  readonly activation: FusedActivation | null;
}

/**
 * _FusedMatMul with a bias, an operand transposed or batched ⇒ MatMul → AddV2 (→ activation):
 * tfjs's wasm backend adds a wrong bias there (docs/tfjs-wasm-bugs.md). It refuses a bias that is
 * no vector, in convolutions too: a constant [1, …, n] becomes one; any other is added likewise.
 */
export const biasPass: Pass<Biased> = {
  name: 'biases',

  match: (view) =>
    view.nodes('_FusedMatMul', ...CONVOLUTIONS).flatMap((n) => matchAt(view, n) ?? []),

  replace(builder, { at, node, way }) {
    const [a, b, , ...others] = node.inputs as [Ref, Ref, Ref, ...Ref[]];
    if (way.kind === 'vector') {
      const values = Float32Array.from(way.bias.read());
      const vector = builder.constant(`${at}/bias`, [values.length], values);
      builder.node(node.op, at, [a, b, vector, ...others], node.attrs, at);
      return;
    }
    const { transpose_a, transpose_b } = node.attrs;
    const flags = {
      transpose_a: transpose_a ?? attr.bool(false),
      transpose_b: transpose_b ?? attr.bool(false),
    };
    const product = builder.node('MatMul', `${at}/product`, [a, b], flags);
    const { bias, activation } = way;
    const end = activation === null ? at : null;
    const sum = builder.node('AddV2', `${at}/sum`, [product, bias], {}, end);
    if (activation === null) return;
    const { op, alpha, slopes } = activation;
    const slope = op === 'LeakyRelu' ? { alpha: attr.float(alpha) } : {};
    builder.node(op, at, slopes === null ? [sum] : [sum, slopes], slope, at);
  },
};

const CONVOLUTIONS = ['_FusedConv2D', 'FusedDepthwiseConv2dNative'];

function matchAt(view: ShapedView, node: GraphNode): Biased | null {
  const { name, op, inputs } = node;
  const steps = fusedSteps(node);
  if (steps === null || steps.bias === null) return null;
  const { bias, activation } = steps;
  const found = { at: name, replaced: [name], node };
  const sum: Biased = { ...found, way: { kind: 'sum', bias, activation } };
  const isProduct = op === '_FusedMatMul';
  if (isProduct && isTurnedOrBatched(view, node)) return sum;
  const constant = view.constant(bias);
  if (constant === null) return isProduct && !isVector(view, bias) ? sum : null;
  // a reshape shares its memory, and what tfjs asks there is the shape of whoever made it
  if (view.graph.weights.get(constant.weight)?.spec.shape.length === 1) return null;
  const n = constant.shape.at(-1) ?? Number.NaN;
  const isRow = constant.shape.slice(0, -1).every((dim) => dim === 1);
  const columns = view.shapeOf(inputs[1]!)?.at(-1);
  const fits = isRow && constant.dtype === 'float32' && (!isProduct || n === columns);
  if (fits && constant.shape.length <= (isProduct ? 2 : 4) && isChannelsLast(node)) {
    return { ...found, way: { kind: 'vector', bias: constant } };
  }
  return isProduct ? sum : null;
}

function isTurnedOrBatched(view: ShapedView, { attrs, inputs }: GraphNode): boolean {
  const batched = inputs.slice(0, 2).some((ref) => (view.shapeOf(ref)?.length ?? 2) > 2);
  return batched || boolAttr(attrs, 'transpose_a') || boolAttr(attrs, 'transpose_b');
}

/** Whether a computed bias is a vector to tfjs too: it is what its own node made. */
function isVector(view: ShapedView, bias: Ref): boolean {
  const op = view.producer(bias)?.op ?? '';
  if (IDENTITY.has(op) || SHAPING.has(op)) return false;
  const shape = view.shapeOf(bias);
  // of an unknown rank: tfjs refuses what is no vector
  return shape === null || shape.length === 1;
}

function isChannelsLast({ attrs }: GraphNode): boolean {
  return !stringAttr(attrs, 'data_format', 'NHWC').toUpperCase().startsWith('NC');
}
