import { attr } from '../../graph/attrs.js';
import type { Dtype } from '../../graph/newWeights.js';
import type { Value } from '../base/emitter.js';
import type { Lengths } from '../base/pairs.js';
import { type Context, each, only, type Rule, type Rules, refs } from './context.js';

const DTYPES: readonly unknown[] = ['float32', 'int32', 'bool'] satisfies Dtype[];

const unary =
  (op: string): Rule =>
  (context) =>
    only(context, op, refs(context, ['x']));

const binary =
  (op: string): Rule =>
  (context) => {
    const { emit, value } = context;
    const sides = ['a', 'b'].map((name) => emit.ref(emit.broadcast(value(name))));
    return only(context, op, sides);
  };

/** Kernels that give each value by itself, `kernel` or `kernel:op`. */
export const ELEMENTWISE: Rules = {
  ...each(
    `Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor IsFinite IsInf IsNan
     Log Log1p LogicalNot Neg OnesLike Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh
     Softplus Sqrt Square Tan Tanh ZerosLike`,
    unary,
  ),
  ...each(
    `Add:AddV2 Sub Multiply:Mul RealDiv FloorDiv Maximum Minimum Pow Mod:FloorMod SquaredDifference
     Atan2 Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr`,
    binary,
  ),
  AddN: (context) => {
    const names = context.step.names();
    return only(context, 'AddN', refs(context, names), { N: attr.int(names.length) });
  },
  Prelu: (context) => only(context, 'Prelu', refs(context, ['x', 'alpha'])),
  LeakyRelu: (context) => {
    const alpha = attr.float(context.step.attr('alpha'));
    return only(context, 'LeakyRelu', refs(context, ['x']), { alpha });
  },
  ClipByValue: (context) => {
    const [min, max] = ['clipValueMin', 'clipValueMax'].map((name) =>
      context.emit.scalar(context.step.attr<number>(name)),
    );
    return only(context, 'ClipByValue', [...refs(context, ['x']), min!, max!]);
  },
  Cast: (context) => {
    const dtype = context.step.attr<Dtype>('dtype');
    if (!DTYPES.includes(dtype)) throw context.step.refusal(`to ${dtype}`);
    const from = context.known('x').dtype as Dtype;
    if (from === dtype) return context.emit.view(context.value('x'), context.out[0]!);
    const SrcT = attr.type(from);
    return only(context, 'Cast', refs(context, ['x']), { SrcT, DstT: attr.type(dtype) });
  },
  Select: (context) => only(context, 'SelectV2', refs(context, ['condition', 't', 'e'])),
  Softmax: (context) => {
    const last = context.known('logits').lengths.length - 1;
    const dim = context.step.attr<number>('dim');
    if (dim !== last && dim !== -1) throw context.step.refusal(`along axis ${dim}`);
    return only(context, 'Softmax', refs(context, ['logits']));
  },
  LogSoftmax: (context) => {
    const last = context.known('logits').lengths.length - 1;
    const axis = context.step.attr<number>('axis');
    if (axis !== last && axis !== -1) throw context.step.refusal(`along axis ${axis}`);
    return only(context, 'LogSoftmax', refs(context, ['logits']));
  },
  FusedBatchNorm: batchNorm,
};

/** What an activation of a fused kernel is in a graph; `name` is as tfjs has it. */
export function activated(context: Context, x: Value, lengths: Lengths): Value {
  const { emit, step } = context;
  const activation = step.attr<string | undefined>('activation') ?? 'linear';
  const of = (op: string, more = {}) => emit.node(op, [emit.ref(x)], lengths, more);
  switch (activation) {
    case 'linear':
      return x;
    case 'relu':
      return of('Relu');
    case 'relu6':
      return of('Relu6');
    case 'elu':
      return of('Elu');
    case 'sigmoid':
      return of('Sigmoid');
    case 'leakyrelu':
      return of('LeakyRelu', { alpha: attr.float(step.attr('leakyreluAlpha') ?? 0.2) });
    case 'prelu': {
      const alpha = emit.ref(context.value('preluActivationWeights'));
      return emit.node('Prelu', [emit.ref(x), alpha], lengths);
    }
    default:
      throw step.refusal(`with the activation ${activation}`);
  }
}

/** (x − mean) / √(variance + ε) · scale + offset, as layer norms of tfjs-layers have it too. */
function batchNorm(context: Context): Value {
  const { emit, step, value, known, out } = context;
  const [lengths] = out;
  const ref = (name: string) => emit.ref(emit.broadcast(value(name)));
  const of = (op: string, ...inputs: Value[]) =>
    emit.node(
      op,
      inputs.map((input) => emit.ref(input)),
      lengths!,
    );
  const epsilon = emit.scalar(step.attr<number>('varianceEpsilon'));
  const variance = known('variance').lengths;
  const sum = emit.node('AddV2', [ref('variance'), epsilon], variance);
  let factor = emit.node('Rsqrt', [emit.ref(sum)], variance);
  if (step.has('scale')) {
    factor = emit.node('Mul', [emit.ref(factor), ref('scale')], lengths!);
  }
  const centered = emit.node('Sub', [ref('x'), ref('mean')], lengths!);
  const scaled = of('Mul', centered, factor);
  if (!step.has('offset')) return scaled;
  return emit.node('AddV2', [emit.ref(scaled), ref('offset')], lengths!);
}
