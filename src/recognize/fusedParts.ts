import { numberAttr, stringsAttr } from '../graph/attrs.js';
import type { ConstantView } from '../graph/constants.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import type { GraphView } from '../graph/view.js';

/** An activation that `_FusedMatMul` applies after the bias. */
export interface FusedActivation {
  /** The TensorFlow op that does the same: Relu, Relu6, Elu, Sigmoid, LeakyRelu or Prelu. */
  readonly op: string;
  /** Slope of LeakyRelu. */
  readonly alpha: number;
  /** Slopes of Prelu. */
  readonly slopes: Ref | null;
}

/** What a product has within it. */
export interface Fused {
  readonly bias: ConstantView | null;
  readonly activation: FusedActivation | null;
}

export const NOTHING_FUSED: Fused = { bias: null, activation: null };

/** The op that tfjs's fused activations stand for. */
const FUSED_ACTIVATIONS: Readonly<Record<string, string>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  leakyrelu: 'LeakyRelu',
  prelu: 'Prelu',
};

/** What a _FusedMatMul adds and applies, whatever the bias is. */
export interface FusedSteps {
  readonly bias: Ref | null;
  readonly activation: FusedActivation | null;
}

/** Bias and activation of a _FusedMatMul; null where it holds something that is neither. */
export function fusedSteps({ attrs, inputs }: GraphNode): FusedSteps | null {
  const ops = stringsAttr(attrs, 'fused_ops').map((text) => text.toLowerCase());
  const extra = inputs.slice(2);
  let bias: Ref | null = null;
  if (ops[0] === 'biasadd') {
    ops.shift();
    bias = extra.shift() ?? null;
    if (bias === null) return null;
  }
  const [kind, ...more] = ops;
  if (kind === undefined) return { bias, activation: null };
  // tfjs takes the second of fused_ops for the activation, and would leave out one that has no bias
  // before it
  if (bias === null) return null;
  const op = FUSED_ACTIVATIONS[kind];
  const slopes = kind === 'prelu' ? (extra.shift() ?? null) : null;
  if (op === undefined || more.length > 0 || (kind === 'prelu' && slopes === null)) return null;
  return { bias, activation: { op, alpha: numberAttr(attrs, 'leakyrelu_alpha', 0.2), slopes } };
}

/**
 * Bias and activation of a _FusedMatMul; null where it holds something that cannot be taken apart.
 */
export function fusedParts(view: GraphView, node: GraphNode, n: number): Fused | null {
  const steps = fusedSteps(node);
  if (steps === null) return null;
  const bias = steps.bias === null ? null : vector(view.constant(steps.bias), n);
  return steps.bias !== null && bias === null ? null : { bias, activation: steps.activation };
}

/** A constant of n float32 values, leading ones allowed. */
export function vector(of: ConstantView | null, n: number): ConstantView | null {
  if (of === null || of.dtype !== 'float32') return null;
  const size = of.shape.reduce((a, b) => a * b, 1);
  return size === n ? of : null;
}
