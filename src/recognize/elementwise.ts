import { erfNumber } from '../../ops/quantizedMatMul/activations.js';

/** Numbers that tell activations apart: around 0 closely, then as far as exponentials reach. */
export const GRID: Float64Array = Float64Array.from([
  ...Array.from({ length: 201 }, (_, i) => (i - 100) / 8),
  ...[1e-3, -1e-3, 20, -20, 60, -60],
]);

/** TensorFlow ops on one number. */
const UNARY: Readonly<Record<string, (v: number) => number>> = {
  Erf: erfNumber,
  Erfc: (v) => 1 - erfNumber(v),
  Exp: Math.exp,
  Identity: (v) => v,
  Neg: (v) => -v,
  Reciprocal: (v) => 1 / v,
  Relu: (v) => Math.max(v, 0),
  Sigmoid: (v) => 1 / (1 + Math.exp(-v)),
  Sqrt: Math.sqrt,
  Square: (v) => v * v,
  StopGradient: (v) => v,
  Tanh: Math.tanh,
};

const add = (a: number, b: number) => a + b;
const divide = (a: number, b: number) => a / b;

/** TensorFlow ops on two numbers. */
const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: add,
  AddV2: add,
  BiasAdd: add,
  Div: divide,
  Maximum: Math.max,
  Minimum: Math.min,
  Mul: (a, b) => a * b,
  Pow: (a, b) => a ** b,
  RealDiv: divide,
  Sub: (a, b) => a - b,
};

/**
 * What a node with so many operands computes of each element; null where this table does not know
 * it.
 */
export function elementwise(op: string, operands: readonly Float64Array[]): Float64Array | null {
  const [a, b] = operands;
  const unary = operands.length === 1 ? UNARY[op] : undefined;
  if (unary !== undefined) return a!.map((v) => unary(v));
  const binary = operands.length === 2 ? BINARY[op] : undefined;
  return binary === undefined ? null : a!.map((v, i) => binary(v, b![i]!));
}
