import type { Dim } from '../../ops/numerics/lengths.js';
import { numberAttr } from '../graph/attrs.js';
import { type GraphNode, outputIndexOf, type Ref } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import type { ShapedView } from '../shapes/view.js';
import type { Atom } from './atoms.js';
import { regroup } from './regroup.js';

/**
 * A tensor, and what its axes are: each a product of atoms, in row-major order. What is read is
 * `factor` times it.
 */
export interface TensorView {
  readonly ref: Ref;
  readonly axes: readonly (readonly Atom[])[];
  readonly factor: number;
  /** How many nodes that copy were skipped: reshapes are free. */
  readonly skipped: number;
}

/** A tensor with one label for each axis; null where its shape is not known. */
export function viewFrom(
  { dimsOf }: ShapedView,
  ref: Ref,
  labels: readonly Atom['label'][],
): TensorView | null {
  const dims = dimsOf(ref);
  if (dims?.length !== labels.length) return null;
  const axes = labels.map((label, i): Atom[] => [{ label, size: dims[i]!, index: 0 }]);
  return { ref, axes, factor: 1, skipped: 0 };
}

/**
 * The same values one node up, seen through a node that only rearranges, selects or scales them;
 * else null.
 */
export function viewAbove(view: ShapedView, tensor: TensorView): TensorView | null {
  const { dimsOf } = view;
  const node = view.producer(tensor.ref);
  const data = node?.op === 'Split' ? node.inputs[1] : node?.inputs[0];
  if (node === null || data === undefined) return null;
  if (outputIndexOf(tensor.ref) !== 0 && !['Split', 'SplitV', 'Unpack'].includes(node.op))
    return null;
  const dims = dimsOf(data);
  const made = (axes: TensorView['axes'] | null, copies = 1): TensorView | null =>
    axes === null ? null : { ...tensor, ref: data, axes, skipped: tensor.skipped + copies };
  if (IDENTITY.has(node.op)) return made(tensor.axes, 0);
  switch (node.op) {
    case 'Transpose': {
      const order = view.permutation(node.inputs[1], tensor.axes.length);
      return made(order === null ? null : inverse(tensor.axes, order));
    }
    case 'Reshape':
    case 'ExpandDims':
    case 'Squeeze':
      return made(dims === null ? null : regroup(tensor.axes.flat(), dims), 0);
    case 'Mul':
      return scaled(view, tensor, node);
    case 'Split':
    case 'SplitV':
    case 'Unpack':
    case 'Slice':
    case 'StridedSlice':
      return made(dims === null ? null : selected(view, tensor, node, dims));
    default:
      return null;
  }
}

function inverse(axes: TensorView['axes'], order: readonly number[]): TensorView['axes'] {
  const above = new Array<readonly Atom[]>(axes.length).fill([]);
  order.forEach((axis, i) => {
    above[axis] = axes[i]!;
  });
  return above;
}

/** A factor that is one constant number moves through everything that a tensor does. */
function scaled(view: ShapedView, tensor: TensorView, { inputs }: GraphNode): TensorView | null {
  const constants = inputs.map((ref) => view.constant(ref));
  const at = constants[0] === null ? 1 : 0;
  const constant = constants[at];
  const other = inputs[1 - at];
  if (constant == null || constants[1 - at] !== null || other === undefined) return null;
  const isNumber = constant.shape.every((dim) => dim === 1);
  if (!isNumber || constant.shape.length > tensor.axes.length) return null;
  const factor = tensor.factor * constant.read()[0]!;
  return { ...tensor, ref: other, factor, skipped: tensor.skipped + 1 };
}

/** One of the parts that a node takes of its input, where all parts are of one size. */
function selected(
  view: ShapedView,
  tensor: TensorView,
  node: GraphNode,
  dims: readonly Dim[],
): TensorView['axes'] | null {
  const output = outputIndexOf(tensor.ref);
  const integers = (i: number) => view.integers(node.inputs[i]);
  const wrapped = (axis: number) => (axis < 0 ? axis + dims.length : axis);
  switch (node.op) {
    case 'Split': {
      const axis = wrapped(integers(0)?.[0] ?? Number.NaN);
      const size = Number(dims[axis]) / numberAttr(node.attrs, 'num_split', 1);
      return sliced(tensor.axes, axis, dims[axis], output * size, size);
    }
    case 'SplitV': {
      const [sizes, along] = [integers(1), integers(2)?.[0]];
      if (sizes === null || along === undefined || sizes.includes(-1)) return null;
      const start = sizes.slice(0, output).reduce((sum, size) => sum + size, 0);
      const axis = wrapped(along);
      return sliced(tensor.axes, axis, dims[axis], start, sizes[output]!);
    }
    case 'Slice': {
      const [begins, sizes] = [integers(1), integers(2)];
      const cut = begins?.flatMap((start, axis) => {
        const size = sizes?.[axis] ?? Number.NaN;
        const whole = start === 0 && (size === -1 || size === dims[axis]);
        return whole
          ? []
          : [{ axis, start, size: size === -1 ? Number(dims[axis]) - start : size }];
      });
      if (cut === undefined || cut.length !== 1) return null;
      const { axis, start, size } = cut[0]!;
      return sliced(tensor.axes, axis, dims[axis], start, size);
    }
    case 'Unpack': {
      const axis = numberAttr(node.attrs, 'axis', 0);
      return picked(tensor.axes, wrapped(axis), dims, output);
    }
    default:
      return stridedPick(tensor.axes, node, dims, integers);
  }
}

/** [start, start + size) of an axis of `length`: one of length / size parts. */
function sliced(
  axes: TensorView['axes'],
  axis: number,
  length: Dim | undefined,
  start: number,
  size: number,
): TensorView['axes'] | null {
  const own = axes[axis];
  if (own === undefined || typeof length !== 'number' || !(size > 0)) return null;
  // a part of a part: both in units of the smaller one
  const [first, ...rest] = own;
  const inner = first?.label === 'part' ? first : null;
  const unit = inner === null ? size : size / Number(inner.size);
  if (length % unit !== 0 || start % unit !== 0) return null;
  const index = start / unit + (inner?.index ?? 0);
  const part: Atom = { label: 'part', size: length / unit, index };
  return axes.map((atoms, i) => (i === axis ? [part, ...(inner === null ? own : rest)] : atoms));
}

/** An axis that is gone: one index of it. */
function picked(
  axes: TensorView['axes'],
  axis: number,
  dims: readonly Dim[],
  index: number,
): TensorView['axes'] | null {
  if (!(axis >= 0 && axis < dims.length)) return null;
  const part: Atom = { label: 'part', size: dims[axis]!, index };
  return [...axes.slice(0, axis), [part], ...axes.slice(axis)];
}

/** x[:, :, i]: a StridedSlice that takes one index of one axis, and all of the others. */
function stridedPick(
  axes: TensorView['axes'],
  { attrs }: GraphNode,
  dims: readonly Dim[],
  integers: (i: number) => number[] | null,
): TensorView['axes'] | null {
  const [begins, strides] = [integers(1), integers(3)];
  const mask = (name: string) => numberAttr(attrs, name, 0);
  const bits = mask('shrink_axis_mask');
  const axis = Math.log2(bits);
  if (begins === null || strides === null || !Number.isInteger(axis)) return null;
  if (mask('new_axis_mask') !== 0 || mask('ellipsis_mask') !== 0) return null;
  const whole = begins.every((_, i) => {
    const bit = 1 << i;
    const open = (mask('begin_mask') & bit) !== 0 && (mask('end_mask') & bit) !== 0;
    return i === axis || (open && strides[i] === 1);
  });
  const begin = begins[axis] ?? 0;
  const length = dims[axis];
  if (!whole || typeof length !== 'number') return null;
  return picked(axes, axis, dims, begin < 0 ? begin + length : begin);
}
