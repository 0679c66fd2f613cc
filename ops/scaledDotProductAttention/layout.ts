import { describe, InvalidArgumentError } from '../numerics/errors.js';

/** What an axis of queries, keys, values or results runs over: samples, heads, tokens, channels. */
export type AxisName = 'b' | 'h' | 't' | 'c';

/**
 * A tensor seen as [b, h, t, c]: sizes, and how many elements lie between neighbours. Channels lie
 * side by side.
 */
export interface StridedView {
  readonly size: Readonly<Record<AxisName, number>>;
  readonly stride: Readonly<Record<AxisName, number>>;
  /** The element at which the view starts. */
  readonly offset: number;
}

/** One letter per axis, the channels last; one digit at most, tokens and channels always. */
const LAYOUT = /^(?!.*([bhtc]).*\1)(?!.*\d.*\d)(?=.*t)[bht\d]{1,4}c$/;

/** Layouts of operands and result, as far as they are given. */
export interface Layouts {
  q?: string;
  k?: string;
  v?: string;
  output?: string;
}

/** All of them: by rank where an operand has none, and the result's as that of q. */
export function resolveLayouts(
  { q, k, v, output }: Layouts,
  rank: Readonly<Record<'q' | 'k' | 'v', number>>,
): Record<'qLayout' | 'kLayout' | 'vLayout' | 'outputLayout', string> {
  const qLayout = q ?? defaultLayout(rank.q);
  return {
    qLayout,
    kLayout: k ?? defaultLayout(rank.k),
    vLayout: v ?? defaultLayout(rank.v),
    outputLayout: output ?? qLayout.replace(/\d/, ''),
  };
}

function defaultLayout(rank: number): string {
  return ['tc', 'btc', 'bhtc'][rank - 2] ?? '';
}

/** @throws InvalidArgumentError for a layout that is none; only what is read may have a digit. */
export function checkLayout(op: string, argument: string, layout: unknown, digits: boolean): void {
  const fits = typeof layout === 'string' && LAYOUT.test(layout) && (digits || !/\d/.test(layout));
  if (fits) return;
  const digit = digits ? ', and one digit at most for an axis of which that index is read' : '';
  const letters =
    'letters of b (samples), h (heads), t (tokens) and, last, c (channels), each once';
  const wanted = `${letters}${digit}, such as "${digits ? 'bt0hc' : 'bthc'}"`;
  throw new InvalidArgumentError(op, argument, wanted, describe(layout));
}

/**
 * The view that a layout gives of a tensor: `bt0hc` takes [samples, tokens, 3, heads, channels] for
 * queries, keys and values side by side and reads the queries.
 * @throws InvalidArgumentError where the layout does not fit the shape.
 */
export function viewOf(
  op: string,
  argument: string,
  layout: string,
  shape: readonly number[],
): StridedView {
  checkLayout(op, `the layout of ${argument}`, layout, true);
  if (shape.length !== layout.length) {
    const wanted = `of rank ${layout.length}, for its layout "${layout}"`;
    throw new InvalidArgumentError(op, argument, wanted, `shape [${shape}]`);
  }
  const size = { b: 1, h: 1, t: 1, c: 1 };
  const stride = { b: 0, h: 0, t: 0, c: 1 };
  let offset = 0;
  let step = 1;
  for (let axis = layout.length - 1; axis >= 0; axis--) {
    const name = layout[axis]!;
    const length = shape[axis]!;
    if (isAxisName(name)) {
      size[name] = length;
      stride[name] = step;
    } else {
      offset += indexIn(op, argument, name, length) * step;
    }
    step *= length;
  }
  return { size, stride, offset };
}

/** A view of fewer samples or heads than there are is read again for each. */
export function broadcastView(view: StridedView, sizes: { b: number; h: number }): StridedView {
  const { b, h } = view.size;
  const stride = {
    ...view.stride,
    b: b === 1 ? 0 : view.stride.b,
    h: h === 1 ? 0 : view.stride.h,
  };
  return { ...view, size: { ...view.size, ...sizes }, stride };
}

/** The shape of a result in a layout. */
export function shapeIn(layout: string, size: StridedView['size']): number[] {
  return [...layout].map((name) => size[name as AxisName]);
}

function isAxisName(name: string): name is AxisName {
  return 'bhtc'.includes(name);
}

function indexIn(op: string, argument: string, digit: string, length: number): number {
  const index = Number(digit);
  if (index < length) return index;
  const wanted = `longer than ${digit} along the axis of which its layout reads index ${digit}`;
  throw new InvalidArgumentError(op, argument, wanted, `${length}`);
}
