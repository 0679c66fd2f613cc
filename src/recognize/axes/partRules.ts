import { numberAttr } from '../../graph/attrs.js';
import { from0 } from '../../shapes/shapeRules.js';
import { axisSlices } from '../../shapes/slices.js';
import type { Axis } from './atoms.js';
import type { AxisArgs, AxisRule } from './axisRule.js';

/** One axis is put together of parts; the others run over the same in all of them. */
export const concatenated: AxisRule = (args) => {
  const { view, atoms, node, dims, at, isData } = args;
  const count = node.inputs.length - 1;
  const along = view.integers(node.inputs[count])?.[0];
  if (along === undefined) return null;
  const place = from0(along, dims.length);
  const parts = Array.from({ length: count }, (_, i) => at(i));
  const whole = atoms.fresh(dims[place]!);
  const lengths = node.inputs.slice(0, count).map((ref) => view.dimsOf(ref)?.[place]);
  const out = dims.map((_, axis): Axis | null => {
    const sides = parts.flatMap((axes, i) => (isData(i) && axes?.[axis]?.length ? axes[axis] : []));
    if (axis === place || sides.length === 0) return null;
    const own = parts.flatMap((axes, i) => (isData(i) && axes?.[axis] ? [axes[axis]] : []));
    for (const other of own.slice(1)) atoms.unite(own[0]!, other);
    return own[0]!;
  });
  out[place] = whole;
  parts.forEach((axes, i) => {
    if (!isData(i)) return;
    const [before, behind] = [lengths.slice(0, i), lengths.slice(i + 1)].map(total);
    cutOf(args, whole, axes?.[place], before!, behind!);
  });
  return out;
};

/** Equal parts of one axis. */
export const splitEvenly: AxisRule = (args) => {
  const { view, node, at, dims, output } = args;
  const parts = numberAttr(node.attrs, 'num_split', 1);
  const along = view.integers(node.inputs[0])?.[0];
  if (along === undefined) return null;
  const place = from0(along, dims.length);
  const size = dims[place]!;
  const side = (count: number) => (typeof size === 'number' ? count * size : null);
  return withPart(args, at(1), place, side(output), side(parts - 1 - output));
};

/** Parts of one axis by their lengths. */
export const splitBySizes: AxisRule = (args) => {
  const { view, node, at, dims, output } = args;
  const [sizes, along] = [view.integers(node.inputs[1]), view.integers(node.inputs[2])?.[0]];
  if (sizes === null || along === undefined) return null;
  const known = sizes.map((size) => (size < 0 ? undefined : size));
  const place = from0(along, dims.length);
  const [before, behind] = [known.slice(0, output), known.slice(output + 1)].map(total);
  return withPart(args, at(0), place, before!, behind!);
};

/** Parts of several axes. */
export const sliced: AxisRule = (args) => {
  const { view, atoms, node, at, dims } = args;
  const [begins, sizes] = [view.integers(node.inputs[1]), view.integers(node.inputs[2])];
  const from = view.dimsOf(node.inputs[0]!);
  return (
    at(0)?.map((axis, i) => {
      const [begin, size, length] = [begins?.[i] ?? -1, sizes?.[i] ?? -2, from?.[i]];
      if (begin === 0 && (size === -1 || size === length)) return axis;
      const part = atoms.fresh(dims[i]!);
      const rest = typeof length === 'number' ? length - begin - size : null;
      if (begin >= 0) cutOf(args, axis, part, begin, size === -1 ? 0 : size < 0 ? null : rest);
      return part;
    }) ?? null
  );
};

export const stridedSliced: AxisRule = (args) => {
  const { view, atoms, node, at } = args;
  const axes = at(0);
  const slices = axes === null ? null : axisSlices(view.graph, node, axes.length);
  if (axes === null || slices === null) return null;
  let from = 0;
  const out: (Axis | null)[] = [];
  for (const { kind, begin, end, stride } of slices) {
    if (kind === 'new') {
      out.push([]);
      continue;
    }
    const axis = axes[from++] ?? [];
    if (kind === 'drop') continue;
    const size = args.dims[out.length]!;
    const length = view.dimsOf(node.inputs[0]!)?.[from - 1];
    const known = stride === 1 && !Number.isNaN(begin) && !Number.isNaN(end);
    const first = begin ?? 0;
    if (known && first === 0 && (end === null || end === length)) {
      out.push(axis);
      continue;
    }
    const part = atoms.fresh(size);
    if (known) cutOf(args, axis, part, ...ends(first, end, length));
    out.push(part);
  }
  return out;
};

/** How many of an axis stand before [begin, end), and behind. */
function ends(
  begin: number,
  end: number | null,
  length: unknown,
): [before: number | null, behind: number | null] {
  const whole = typeof length === 'number' ? length : null;
  const before = begin >= 0 ? begin : whole === null ? null : whole + begin;
  if (end === null) return [before, 0];
  return [before, end < 0 ? -end : whole === null ? null : Math.max(whole - end, 0)];
}

/** The axes of the input, one of them in part. */
function withPart(
  args: AxisArgs,
  axes: readonly Axis[] | null,
  place: number,
  before: number | null,
  behind: number | null,
): (Axis | null)[] | null {
  if (axes === null) return null;
  const part = args.atoms.fresh(args.dims[place]!);
  cutOf(args, axes[place], part, before, behind);
  return axes.map((axis, i) => (i === place ? part : axis));
}

function cutOf(
  { cut }: AxisArgs,
  whole: Axis | undefined,
  part: Axis | undefined,
  before: number | null,
  behind: number | null,
): void {
  if (whole?.length !== 1 || part?.length !== 1) return;
  cut({ whole: whole[0]!, part: part[0]!, before, behind });
}

function total(lengths: readonly unknown[]): number | null {
  let sum = 0;
  for (const length of lengths) {
    if (typeof length !== 'number') return null;
    sum += length;
  }
  return sum;
}
