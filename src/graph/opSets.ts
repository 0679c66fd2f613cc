/** TensorFlow ops by what they do to the data that flows through them. */

/** The input, unchanged. */
export const IDENTITY = setOf(
  'Identity Snapshot StopGradient CheckNumerics ReadVariableOp PreventGradient',
);

/** One value of the output per value of the input, same shape. */
export const UNARY = setOf(
  `Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor LeakyRelu Log Log1p
   LogicalNot Neg Reciprocal Relu Relu6 ClipByValue Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus
   Sqrt Square Tan Tanh Cast ZerosLike OnesLike Softmax LogSoftmax`,
);

/** Two inputs, broadcast against each other. */
export const BINARY = setOf(
  `Add AddV2 BiasAdd Div DivNoNan FloorDiv Maximum Minimum Mod FloorMod Mul Pow RealDiv
   SquaredDifference Sub Atan2 Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd
   LogicalOr Prelu`,
);

/** Rearranges values without computing any. */
export const SHAPING = setOf('Reshape Transpose ExpandDims Squeeze');

/** Takes parts of a tensor. */
export const SLICING = setOf('Split SplitV StridedSlice Slice Unpack Gather GatherV2');

/** Reduces along axes. */
export const REDUCTIONS = setOf('Mean Sum Max Min Prod All Any');

/** Products of two operands; a linear where one of them is constant. */
export const PRODUCTS = setOf('MatMul _FusedMatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum');

/** What makes the layer between two linears an MLP. */
export const NONLINEARITIES = setOf(
  'Tanh Erf Sigmoid Relu Relu6 Elu Selu Softplus LeakyRelu Prelu Exp Erfc',
);

/** Sums of two operands. */
export const SUMS = setOf('Add AddV2 BiasAdd');

function setOf(names: string): ReadonlySet<string> {
  return new Set(names.trim().split(/\s+/));
}
