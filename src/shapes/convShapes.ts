import type { Dim, Dims } from '../../ops/numerics/lengths.js';
import { numbersAttr, stringAttr } from '../graph/attrs.js';
import type { GraphNode } from '../graph/ir.js';

/**
 * The shape of Conv2D and _FusedConv2D. Filters are [height, width, in, out] in either data format.
 */
export function convolvedShape(
  { attrs }: GraphNode,
  input: Dims | null,
  filter: Dims | null,
): Dims | null {
  if (filter === null) return null;
  const channelsFirst = stringAttr(attrs, 'data_format', 'NHWC').toUpperCase() === 'NCHW';
  const axes = channelsFirst ? [2, 3] : [1, 2];
  const perAxis = (name: string) => axes.map((axis) => numbersAttr(attrs, name)[axis] ?? 1);
  const strides = perAxis('strides');
  const dilations = perAxis('dilations');
  const padding = stringAttr(attrs, 'padding').toUpperCase();
  const explicit = numbersAttr(attrs, 'explicit_paddings');
  const dims = axes.map((axis, i): Dim | null => {
    const dim = input?.[axis] ?? null;
    const size = filter[i] ?? null;
    if (typeof dim !== 'number') return null;
    if (padding === 'SAME') return Math.ceil(dim / strides[i]!);
    if (typeof size !== 'number') return null;
    const more = padding === 'VALID' ? 0 : explicit[2 * axis]! + explicit[2 * axis + 1]!;
    const reach = (size - 1) * dilations[i]! + 1;
    const steps = Math.floor((dim + more - reach) / strides[i]!) + 1;
    return Number.isNaN(steps) ? null : steps;
  });
  const batch = input?.[0] ?? null;
  return channelsFirst ? [batch, filter[3]!, ...dims] : [batch, ...dims, filter[3]!];
}
