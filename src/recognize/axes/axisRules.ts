import { boolAttr, numberAttr, stringAttr } from '../../graph/attrs.js';
import { squeezedAxes } from '../../graph/constants.js';
import { BINARY, IDENTITY, REDUCTIONS, UNARY } from '../../graph/opSets.js';
import { from0 } from '../../shapes/shapeRules.js';
import type { Axis } from './atoms.js';
import type { AxisArgs, AxisRule } from './axisRule.js';
import { productLabels } from './labels.js';
import { concatenated, sliced, splitBySizes, splitEvenly, stridedSliced } from './partRules.js';

type MaybeAxes = readonly (Axis | null)[] | null;

/** Element by element, in operands `inputs` broadcast against each other. */
function elementwise(args: AxisArgs, inputs: readonly number[]): MaybeAxes {
  const { atoms, dims, at, isData } = args;
  const out = new Array<Axis | null>(dims.length).fill(null);
  const data = inputs.filter(isData);
  for (const i of data.length === 0 ? inputs.slice(0, 1) : data) {
    const axes = at(i) ?? [];
    axes.forEach((axis, k) => {
      const place = k + dims.length - axes.length;
      const own = out[place];
      if (axis.length === 0 || place < 0) return;
      if (own === null || own === undefined) out[place] = axis;
      else atoms.unite(own, axis);
    });
  }
  return out;
}

const same: AxisRule = (args) => (args.output === 0 ? elementwise(args, [0]) : null);
const all: AxisRule = (args) => elementwise(args, [...args.node.inputs.keys()]);
const selected: AxisRule = (args) => elementwise(args, [0, 1, 2]);
const regrouped: AxisRule = ({ view, node, atoms, at, dims }) => {
  const [axes, from] = [at(0), view.dimsOf(node.inputs[0]!)];
  if (axes === null || from === null) return null;
  // by the length's name here: one axis may have several in a graph
  const sized = axes.map((axis, i) => {
    return axis.length === 1 ? [{ ...axis[0]!, size: from[i]! }] : axis;
  });
  return atoms.regrouped(sized.flat(), dims);
};

const transposed: AxisRule = ({ view, node, at, dims }) => {
  const order = view.permutation(node.inputs[1], dims.length);
  return order?.map((axis) => at(0)?.[axis] ?? null) ?? null;
};

const expanded: AxisRule = ({ view, node, at, dims }) => {
  const axis = view.integers(node.inputs[1])?.[0];
  if (axis === undefined) return null;
  const place = from0(axis, dims.length);
  const axes = at(0);
  return axes === null ? null : [...axes.slice(0, place), [], ...axes.slice(place)];
};

const squeezed: AxisRule = ({ node, at }) => {
  const axes = at(0);
  if (axes === null) return null;
  const named = new Set(squeezedAxes(node).map((axis) => from0(axis, axes.length)));
  return axes.filter((axis, i) => (named.size > 0 ? !named.has(i) : axis.length > 0));
};

const reduced: AxisRule = ({ view, node, at }) => {
  const [axes, gone] = [at(0), view.integers(node.inputs[1])];
  if (axes === null || gone === null) return null;
  const hit = new Set(gone.map((axis) => from0(axis, axes.length)));
  if (boolAttr(node.attrs, 'keep_dims')) return axes.map((axis, i) => (hit.has(i) ? [] : axis));
  return axes.filter((_, i) => !hit.has(i));
};

const tiled: AxisRule = ({ view, node, at }) => {
  const times = view.integers(node.inputs[1]);
  return at(0)?.map((axis, i) => (times?.[i] === 1 ? axis : null)) ?? null;
};

/** What is looked up in a table, or made of an index: its axes, then others. */
const lookedUp: AxisRule = ({ view, node, at, dims }) => {
  const along = node.op === 'GatherV2' ? view.integers(node.inputs[2])?.[0] : 0;
  const indices = at(1);
  if (along !== 0 || indices === null || numberAttr(node.attrs, 'batch_dims', 0) !== 0) return null;
  const rest = at(0)?.slice(1) ?? [];
  return [...indices, ...rest].slice(0, dims.length);
};

const oneHot: AxisRule = ({ node, at }) => {
  const axes = at(0);
  return axes === null || numberAttr(node.attrs, 'axis', -1) !== -1 ? null : [...axes, null];
};

/** What is summed over together runs over the same, and so do axes of one name. */
const multiplied: AxisRule = (args) => {
  const { view, node, dims } = args;
  const labels = productLabels(view, node);
  if (labels === null) return null;
  const terms = labels.operands.map((operand) => operand.labels);
  return byLabel(args, terms, labels.out).slice(0, dims.length);
};

/** q, k, v → y, and the mask [samples, heads, queries, keys], by their layouts. */
const attended: AxisRule = (args) => {
  const text = (name: string) => stringAttr(args.node.attrs, name).toLowerCase();
  const layouts = ['qLayout', 'kLayout', 'vLayout', 'outputLayout'].map((name, i) => {
    const side = i === 1 || i === 2 ? 'key' : 'query';
    return [...text(name)].map((letter) => (letter === 't' ? side : letter));
  });
  const mask = ['b', 'h', 'query', 'key'].slice(-(args.at(3)?.length ?? 0));
  const [q, k, v, y] = layouts as [string[], string[], string[], string[]];
  return byLabel(args, [q, k, v, args.at(3) === null ? [] : mask], y);
};

function byLabel(
  { atoms, at, isData }: AxisArgs,
  terms: readonly (readonly string[])[],
  out: readonly string[],
): (Axis | null)[] {
  const named = new Map<string, Axis>();
  terms.forEach((labels, i) => {
    const axes = at(i);
    if (axes?.length !== labels.length) return;
    labels.forEach((label, k) => {
      const axis = axes[k]!;
      const own = named.get(label);
      if (axis.length === 0) return;
      if (own === undefined) named.set(label, axis);
      else if (isData(i)) atoms.unite(own, axis);
    });
  });
  return out.map((label) => named.get(label) ?? null);
}

/** An op that is not here ties nothing. */
export const AXIS_RULES: ReadonlyMap<string, AxisRule> = new Map<string, AxisRule>([
  ...each([...IDENTITY, ...UNARY, 'Cumsum', 'Enter', 'Exit', 'FakeQuant'], same),
  ...each(['ChannelCenter', 'HadamardTransform', 'BroadcastTo', 'HadaNormTap'], same),
  ...each([...BINARY, 'AddN', 'ModulatedLayerNorm'], all),
  ...each(['Select', 'SelectV2'], selected),
  ...each(REDUCTIONS, reduced),
  ...each(['MatMul', '_FusedMatMul', 'BatchMatMul', 'BatchMatMulV2', 'BatchMatMulV3'], multiplied),
  ...each(['Gather', 'GatherV2'], lookedUp),
  ['Einsum', multiplied],
  ['ScaledDotProductAttention', attended],
  ['Reshape', regrouped],
  ['Transpose', transposed],
  ['ExpandDims', expanded],
  ['Squeeze', squeezed],
  ['Tile', tiled],
  ['OneHot', oneHot],
  ['ConcatV2', concatenated],
  ['Split', splitEvenly],
  ['SplitV', splitBySizes],
  ['Slice', sliced],
  ['StridedSlice', stridedSliced],
]);

function each(ops: Iterable<string>, rule: AxisRule): [string, AxisRule][] {
  return [...ops].map((op) => [op, rule]);
}
