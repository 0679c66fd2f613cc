import { OPS } from '../../ops/index.js';
import { type Dims, named, product, quotient } from '../../ops/numerics/lengths.js';
import { boolAttr, nodeAttrs, numberAttr, shapeAttr } from '../graph/attrs.js';
import {
  constantIntegers,
  constantPermutation,
  constantView,
  squeezedAxes,
} from '../graph/constants.js';
import { einsumOf } from '../graph/einsum.js';
import { canonical, type Graph, type GraphNode, type Ref } from '../graph/ir.js';
import { BINARY, IDENTITY, REDUCTIONS, UNARY } from '../graph/opSets.js';
import { convolvedShape } from './convShapes.js';
import * as rules from './shapeRules.js';
import { sliced, stridedSliced } from './slices.js';

/** What a rule may ask of a node. */
export interface RuleArgs {
  readonly graph: Graph;
  readonly node: GraphNode;
  /** Which of the node's outputs is asked for. */
  readonly output: number;
  /** The lengths of input i; null where not even the rank is known, or there is no such input. */
  readonly at: (i: number) => Dims | null;
  /** What an integer input holds, see `ValuesOf`. */
  readonly values: (i: number) => Dims | null;
}

/** The lengths of an output, or null. */
export type Rule = (args: RuleArgs) => Dims | null;

/** Output 0 is as input 0; the others, indices or statistics, are not followed. */
const SAME = setOf(
  'BiasAdd FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 AddN Cumsum Enter Exit',
);

const first: Rule = ({ at }) => at(0);
const firstOnly: Rule = ({ at, output }) => (output === 0 ? at(0) : null);
const ofValues: Rule = ({ values }) => values(0);
// a MatMul's operands are matrices, whatever made them
const matMul = matMulRule('transpose_a', 'transpose_b', [null, null]);
const batchMatMul = matMulRule('adj_x', 'adj_y', null);
const conv: Rule = ({ node, at }) => convolvedShape(node, at(0), at(1));

const pad: Rule = (args) => {
  const pads = integers(args, 1);
  const more = (i: number) => (pads === null ? null : pads[2 * i]! + pads[2 * i + 1]!);
  return args.at(0)?.map((dim, i) => rules.padded(dim, more(i))) ?? null;
};

/** Where data comes from, and where it takes one of several ways. */
const SOURCES: Readonly<Record<string, Rule>> = {
  Placeholder: ({ node }) => shapeAttr(node.attrs, 'shape'),
  PlaceholderWithDefault: ({ node }) => shapeAttr(node.attrs, 'shape'),
  Const: ({ graph, node }) => constantView(graph, node.name)?.shape ?? null,
  Fill: ofValues,
  BroadcastTo: ({ values }) => values(1),
  Shape: ({ at }) => {
    const shape = at(0);
    return shape === null ? null : [shape.length];
  },
  Switch: first,
  Merge: ({ node, at, output }) =>
    output === 0 ? rules.common(node.inputs.map((_, i) => at(i))) : [],
  Select: ({ at }) => at(1),
  SelectV2: ({ at }) => rules.broadcast(at(0), rules.broadcast(at(1), at(2))),
};

/** The same values under other axes. */
const VIEWS: Readonly<Record<string, Rule>> = {
  Reshape: ({ at, values }) => {
    const wanted = values(1);
    return wanted === null ? null : rules.reshaped(at(0), wanted);
  },
  Transpose: (args) => {
    const shape = args.at(0);
    if (shape === null) return null;
    const order = constantPermutation(args.graph, args.node.inputs[1], shape.length);
    return order?.map((axis) => shape[axis]!) ?? null;
  },
  ExpandDims: (args) => rules.expanded(args.at(0), integer(args, 1)),
  Squeeze: ({ node, at }) => rules.squeezed(at(0), squeezedAxes(node)),
};

/** What takes tensors apart or puts them together. */
const PARTS: Readonly<Record<string, Rule>> = {
  ConcatV2: (args) => {
    const last = args.node.inputs.length - 1;
    const parts = Array.from({ length: Math.max(last, 0) }, (_, i) => args.at(i));
    return rules.concatenated(parts, integer(args, last));
  },
  Split: (args) => {
    const parts = numberAttr(args.node.attrs, 'num_split', 1);
    return rules.withDim(args.at(1), integer(args, 0), (dim) => quotient(dim, parts));
  },
  SplitV: (args) =>
    rules.withDim(args.at(0), integer(args, 2), (dim) =>
      rules.splitSize(dim, integers(args, 1), args.output),
    ),
  Unpack: ({ node, at }) => {
    const shape = at(0);
    return shape === null ? null : rules.without(shape, [numberAttr(node.attrs, 'axis', 0)]);
  },
  Pack: ({ node, at }) =>
    rules.expanded(at(0), numberAttr(node.attrs, 'axis', 0), node.inputs.length),
  Gather: ({ at }) => rules.gathered(at(0), at(1), 0),
  GatherV2: (args) => {
    const batchDims = numberAttr(args.node.attrs, 'batch_dims', 0);
    return rules.gathered(args.at(0), args.at(1), integer(args, 2), batchDims);
  },
  Slice: ({ graph, node, at }) => sliced(graph, node, at(0)),
  StridedSlice: ({ graph, node, at }) => stridedSliced(graph, node, at(0)),
  Tile: (args) => {
    const times = integers(args, 1);
    return args.at(0)?.map((dim, i) => product([dim, times?.[i] ?? null])) ?? null;
  },
  Pad: pad,
  PadV2: pad,
  MirrorPad: pad,
};

const PRODUCTS: Readonly<Record<string, Rule>> = {
  MatMul: matMul,
  _FusedMatMul: matMul,
  BatchMatMul: batchMatMul,
  BatchMatMulV2: batchMatMul,
  BatchMatMulV3: batchMatMul,
  Conv2D: conv,
  _FusedConv2D: conv,
  Einsum: einsum,
};

/** The ops of this package, by their contracts. */
const OWN = OPS.map(({ kernelName, outputShapes }): [string, Rule] => [
  kernelName,
  ({ node, output, at }) => {
    const inputs = node.inputs.map((_, i) => at(i));
    return outputShapes(inputs, nodeAttrs(node.attrs))[output] ?? null;
  },
]);

/** An op that is not here has no shape; nothing is ever guessed. */
export const OP_RULES: ReadonlyMap<string, Rule> = new Map([
  ...each(IDENTITY, first),
  ...each(UNARY, first),
  ...each(BINARY, ({ at }) => rules.broadcast(at(0), at(1))),
  ...each(SAME, firstOnly),
  ...each(REDUCTIONS, (args) => {
    const keepDims = boolAttr(args.node.attrs, 'keep_dims');
    return rules.reduced(args.at(0), integers(args, 1), keepDims);
  }),
  ...Object.entries({ ...SOURCES, ...VIEWS, ...PARTS, ...PRODUCTS }),
  ...OWN,
]);

function matMulRule(transposeA: string, transposeB: string, unknown: Dims | null): Rule {
  return ({ node: { attrs }, at }) => {
    const [a, b] = [at(0) ?? unknown, at(1) ?? unknown];
    return rules.multiplied(a, b, boolAttr(attrs, transposeA), boolAttr(attrs, transposeB));
  };
}

function einsum({ node, at }: RuleArgs): Dims | null {
  const equation = einsumOf(node);
  const shapes = node.inputs.map((ref, i) => {
    // of an operand without a shape the equation still says how many axes it has
    const labels = equation.terms[i] ?? [];
    return at(i) ?? labels.map((_, axis) => named(lengthName(canonical(ref), axis)));
  });
  return rules.einsum(equation, shapes);
}

/** How a length is called that nothing tells but the tensor which has it. */
export function lengthName(ref: Ref, axis: number): string {
  return `${ref}#${axis}`;
}

function integers({ graph, node }: RuleArgs, i: number): number[] | null {
  return constantIntegers(graph, node.inputs[i]);
}

function integer(args: RuleArgs, i: number): number | undefined {
  return integers(args, i)?.[0];
}

function each(ops: ReadonlySet<string>, rule: Rule): [string, Rule][] {
  return [...ops].map((op) => [op, rule]);
}

function setOf(names: string): ReadonlySet<string> {
  return new Set(names.split(' '));
}
