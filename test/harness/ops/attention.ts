import type { AttentionSizes } from '../../../ops/scaledDotProductAttention/dims.js';
import {
  type AttentionReference,
  attentionReference,
} from '../../../ops/scaledDotProductAttention/reference.js';
import { EPS } from '../numbers/compare.js';
import type { Values } from '../numbers/gradient.js';
import { normal, sizeOf } from '../numbers/random.js';

type Axes = Readonly<Record<'b' | 'h' | 't' | 'c', number>>;

/** How many indices the axis has of which a layout reads one. */
const PARTS = 4;

/** Random numbers in a layout; what it does not read is NaN. */
export function randomIn(layout: string, axes: Axes, seed: number, std = 1): Values {
  const shape = [...layout].map((name) => (/\d/.test(name) ? PARTS : axes[name as keyof Axes]));
  const values = new Float32Array(sizeOf(shape)).fill(Number.NaN);
  const numbers = normal(axes.b * axes.h * axes.t * axes.c, seed, 0, std);
  forEachIndex(layout, shape, axes, (at, canonical) => {
    values[at] = numbers[canonical]!;
  });
  return { shape, values };
}

/**
 * A tensor in a layout as [b, h, t, c]; `axes` may ask for more samples or heads than the one that
 * there is.
 */
export function canonical({ shape, values }: Values, layout: string, axes: Axes): Float32Array {
  const own = { ...axes };
  [...layout].forEach((name, i) => {
    if (name === 'b' || name === 'h') own[name] = shape[i]!;
  });
  for (const name of ['b', 'h'] as const) if (!layout.includes(name)) own[name] = 1;
  const packed = new Float32Array(own.b * own.h * own.t * own.c);
  forEachIndex(layout, shape, own, (at, to) => {
    packed[to] = values[at]!;
  });
  const head = own.t * own.c;
  const out = new Float32Array(axes.b * axes.h * head);
  for (let i = 0; i < axes.b * axes.h; i++) {
    const b = own.b === 1 ? 0 : Math.floor(i / axes.h);
    const h = own.h === 1 ? 0 : i % axes.h;
    out.set(packed.subarray((b * own.h + h) * head, (b * own.h + h + 1) * head), i * head);
  }
  return out;
}

/** A mask as [b, h, queries, keys]. */
export function wholeMask(
  { shape, values }: Values,
  { b, h, queries, keys }: AttentionSizes,
): Float32Array {
  const full = [b, h, queries, keys];
  const own = [...new Array(4 - shape.length).fill(1), ...shape];
  return Float32Array.from({ length: sizeOf(full) }, (_, i) => {
    let at = 0;
    let rest = i;
    let step = 1;
    for (let axis = 3; axis >= 0; axis--) {
      const index = rest % full[axis]!;
      rest = (rest - index) / full[axis]!;
      at += (own[axis] === 1 ? 0 : index) * step;
      step *= own[axis]!;
    }
    return values[at]!;
  });
}

/**
 * The reference for inputs in layouts, its values in the output's layout, and what each of them may
 * be off by.
 */
export function exactAttention(
  inputs: { q: Values; k: Values; v: Values; mask?: Values | undefined },
  layouts: { q: string; k: string; v: string; output: string },
  sizes: AttentionSizes,
  scale: number,
): { values: Float64Array; bounds: Float64Array } {
  const { b, h, queries, keys, c, valueChannels } = sizes;
  const numbers = {
    q: canonical(inputs.q, layouts.q, { b, h, t: queries, c }),
    k: canonical(inputs.k, layouts.k, { b, h, t: keys, c }),
    v: canonical(inputs.v, layouts.v, { b, h, t: keys, c: valueChannels }),
    ...(inputs.mask === undefined ? {} : { mask: wholeMask(inputs.mask, sizes) }),
  };
  const reference = attentionReference(numbers, b * h, queries, keys, c, scale);
  const bounds = errorBounds(reference, keys, c);
  const axes = { b, h, t: queries, c: valueChannels };
  const shape = [...layouts.output].map((name) => axes[name as keyof Axes]);
  const out = { values: new Float64Array(bounds.length), bounds: new Float64Array(bounds.length) };
  forEachIndex(layouts.output, shape, axes, (at, from) => {
    out.values[at] = reference.values[from]!;
    out.bounds[at] = bounds[from]!;
  });
  return out;
}

/**
 * To first order: a score is off by its products' and sums' roundings, and so are both ends of
 * exp(score − max); the last product adds one rounding per key, exp and the division a few.
 */
function errorBounds(
  { values, magnitudes, scoreMagnitudes }: AttentionReference,
  keys: number,
  c: number,
): Float64Array {
  const channels = values.length / scoreMagnitudes.length;
  return values.map((_, i) => {
    const score = scoreMagnitudes[Math.floor(i / channels)]!;
    return magnitudes[i]! * EPS * (2 * (c + 4) * score + keys + 32);
  });
}

/**
 * Every element that a layout reads: where it is, and its index in [b, h, t, c]. The part that is
 * read is in the digit.
 */
function forEachIndex(
  layout: string,
  shape: readonly number[],
  axes: Axes,
  visit: (at: number, canonical: number) => void,
): void {
  const index: Record<string, number> = { b: 0, h: 0, t: 0, c: 0 };
  for (let at = 0; at < sizeOf(shape); at++) {
    let rest = at;
    let isRead = true;
    for (let axis = layout.length - 1; axis >= 0; axis--) {
      const name = layout[axis]!;
      const i = rest % shape[axis]!;
      rest = (rest - i) / shape[axis]!;
      if (/\d/.test(name)) isRead &&= i === Number(name);
      else index[name] = i;
    }
    const { b, h, t, c } = index as Record<'b' | 'h' | 't' | 'c', number>;
    if (isRead) visit(at, ((b * axes.h + h) * axes.t + t) * axes.c + c);
  }
}
