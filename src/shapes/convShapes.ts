import { numbersAttr, stringAttr } from '../graph/attrs.js';
import type { GraphNode } from '../graph/ir.js';
import type { PartialShape } from './shapeRules.js';

/**
 * The shape of Conv2D and _FusedConv2D. Filters are [height, width, in, out] in either data format.
 */
export function convolvedShape(
  { attrs }: GraphNode,
  input: PartialShape | null,
  filter: PartialShape | null,
): PartialShape | null {
  if (filter === null) return null;
  const channelsFirst = stringAttr(attrs, 'data_format', 'NHWC').toUpperCase() === 'NCHW';
  const axes = channelsFirst ? [2, 3] : [1, 2];
  const perAxis = (name: string) => axes.map((axis) => numbersAttr(attrs, name)[axis] ?? 1);
  const strides = perAxis('strides');
  const dilations = perAxis('dilations');
  const padding = stringAttr(attrs, 'padding').toUpperCase();
  const explicit = numbersAttr(attrs, 'explicit_paddings');
  const dims = axes.map((axis, i) => {
    const dim = input?.[axis] ?? -1;
    const reach = (filter[i]! - 1) * dilations[i]! + 1;
    if (dim < 0) return -1;
    if (padding === 'SAME') return Math.ceil(dim / strides[i]!);
    const padded = padding === 'VALID' ? 0 : explicit[2 * axis]! + explicit[2 * axis + 1]!;
    const steps = Math.floor((dim + padded - reach) / strides[i]!) + 1;
    return filter[i]! < 0 || Number.isNaN(steps) ? -1 : steps;
  });
  const batch = input?.[0] ?? -1;
  return channelsFirst ? [batch, filter[3]!, ...dims] : [batch, ...dims, filter[3]!];
}
