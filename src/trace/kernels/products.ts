import { attr } from '../../graph/attrs.js';
import type { Value } from '../base/emitter.js';
import type { Length, Lengths } from '../base/pairs.js';
import { type Context, each, only, type Rule, type Rules, refs } from './context.js';
import { activated } from './elementwise.js';

const NAMED_PADS: Readonly<Record<string, string>> = { same: 'SAME', valid: 'VALID', 0: 'VALID' };

const pool =
  (op: string): Rule =>
  (context) => {
    const { step } = context;
    const padding = NAMED_PADS[`${step.attr('pad')}`];
    if (padding === undefined) throw step.refusal(`with a padding of ${step.attr('pad')}`);
    return only(context, op, refs(context, ['x']), {
      ksize: attr.ints(square(step.attr('filterSize'))),
      strides: attr.ints(square(step.attr('strides'))),
      padding: attr.string(padding),
    });
  };

/** Products, and what slides over pictures. */
export const PRODUCTS: Rules = {
  BatchMatMul: matMul,
  _FusedMatMul: (context) => biased(context, matMul(context)),
  Conv2D: (context) => conv(context, 'Conv2D'),
  FusedConv2D: (context) => biased(context, conv(context, 'Conv2D')),
  DepthwiseConv2dNative: (context) => conv(context, 'DepthwiseConv2dNative'),
  FusedDepthwiseConv2D: (context) => biased(context, conv(context, 'DepthwiseConv2dNative')),
  Conv2DBackpropInput: transposedConv,
  ...each('MaxPool AvgPool', pool),
  Einsum: (context) => {
    const names = context.step.names();
    const equation = attr.string(lowerCase(context.step.attr('equation')));
    return only(context, 'Einsum', refs(context, names), { equation, N: attr.int(names.length) });
  },
};

/**
 * tfjs has products of matrices as batches of one: those are MatMul, as a converter writes them.
 */
function matMul(context: Context): Value {
  const { emit, value, known, step, out } = context;
  const [a, b] = [known('a').lengths, known('b').lengths];
  const flags = ['transposeA', 'transposeB'].map((name) =>
    attr.bool(step.attr<boolean | undefined>(name) ?? false),
  );
  const at = (op: string) => named(context, 'b', op);
  if (!isMatrix(a) || !isMatrix(b)) {
    const attrs = { adj_x: flags[0]!, adj_y: flags[1]! };
    return emit.node('BatchMatMulV2', refs(context, ['a', 'b']), out[0]!, attrs, at('MatMul'));
  }
  const sides = [emit.view(value('a'), matrix(a)), emit.view(value('b'), matrix(b))];
  const attrs = { transpose_a: flags[0]!, transpose_b: flags[1]! };
  const inputs = sides.map((side) => emit.ref(side));
  const product = emit.node('MatMul', inputs, matrix(out[0]!), attrs, at('MatMul'));
  return emit.view(product, out[0]!);
}

/** Behind the product comes the bias, then the activation. */
function biased(context: Context, product: Value): Value {
  const { emit, step, value, out } = context;
  // matrices stay matrices until something reads them in another shape
  const { base } = product;
  let sum = emit.view(product, base);
  if (step.has('bias')) {
    const inputs = [emit.ref(sum), emit.ref(value('bias'))];
    sum = emit.node('BiasAdd', inputs, base, {}, named(context, 'bias', 'BiasAdd'));
  }
  return emit.view(activated(context, sum, base), out[0]!);
}

function conv(context: Context, op: string): Value {
  const { emit, step, out } = context;
  const format = step.attr<string | undefined>('dataFormat') ?? 'NHWC';
  if (format !== 'NHWC') throw step.refusal(`in ${format}`);
  const pad = step.attr<string | number | number[][]>('pad');
  const name = NAMED_PADS[`${pad}`];
  const attrs = {
    strides: attr.ints(square(step.attr('strides'))),
    dilations: attr.ints(square(step.attr('dilations') ?? 1)),
    data_format: attr.string(format),
    padding: attr.string(name ?? 'EXPLICIT'),
    explicit_paddings: attr.ints(name === undefined ? explicit(pad) : []),
  };
  const inputs = refs(context, ['x', 'filter']);
  return emit.node(op, inputs, out[0]!, attrs, named(context, 'filter', op));
}

/** What gradients and transposed convolutions run: its result has the shape that it is told. */
function transposedConv(context: Context): Value {
  const { emit, step } = context;
  const format = step.attr<string | undefined>('dataFormat') ?? 'NHWC';
  if (format !== 'NHWC') throw step.refusal(`in ${format}`);
  const pad = step.attr<string | number | number[][]>('pad');
  const name = NAMED_PADS[`${pad}`];
  if (name === undefined) throw step.refusal(`with a padding of ${pad}`);
  const shape = emit.wholeShape(step.lengthsAttr('inputShape'));
  return only(context, 'Conv2DBackpropInput', [shape, ...refs(context, ['filter', 'dy'])], {
    strides: attr.ints(square(step.attr('strides'))),
    padding: attr.string(name),
  });
}

function explicit(pad: string | number | number[][]): number[] {
  return Array.isArray(pad) ? pad.flat() : [0, 0, ...new Array<number>(4).fill(Number(pad)), 0, 0];
}

/** As attributes of TensorFlow have a size of windows: with batch and channels. */
function square(given: number | readonly number[]): number[] {
  const [height, width] = typeof given === 'number' ? [given, given] : given;
  return [1, height!, width!, 1];
}

/** A node beside the weight that it reads is called as that is. */
function named({ known, step }: Context, input: string, op: string): string {
  const name = step.has(input) ? known(input).constant?.name : null;
  const end = name?.lastIndexOf('/') ?? -1;
  return end < 0 ? op : `${name!.slice(0, end)}/${op}`;
}

function isMatrix(lengths: Lengths): boolean {
  return lengths.slice(0, -2).every((length) => length === 1);
}

function matrix(lengths: Lengths): Length[] {
  return lengths.slice(-2);
}

/** Graphs have strings in lower case where tfjs reads them. */
function lowerCase(equation: string): string {
  const letters = [...new Set(equation.match(/[a-zA-Z]/g))];
  return equation.replace(/[a-zA-Z]/g, (letter) =>
    String.fromCharCode('a'.charCodeAt(0) + letters.indexOf(letter)),
  );
}
