import { attr } from '../../graph/attrs.js';
import { type Length, sameLength } from '../base/pairs.js';
import { type Context, each, only, type Rule, type Rules, refs } from './context.js';

/** Another shape for the same numbers. */
const view =
  (name: string): Rule =>
  ({ emit, value, out }) =>
    emit.view(value(name), out[0]!);

const reduction =
  (op: string): Rule =>
  (context) => {
    // tfjs has another name for it in Max alone
    const name = op === 'Max' ? 'reductionIndices' : 'axis';
    const axes = context.emit.integers([context.step.attr<number | number[]>(name)].flat());
    const keep_dims = attr.bool(context.step.attr<boolean | undefined>('keepDims') ?? false);
    return only(context, op, [...refs(context, ['x']), axes], { keep_dims });
  };

const arg =
  (op: string): Rule =>
  (context) => {
    const axis = context.emit.integers([context.step.attr<number>('axis')], []);
    return only(context, op, [...refs(context, ['x']), axis]);
  };

const cumulated =
  (op: string): Rule =>
  (context) => {
    const { emit, step } = context;
    const axis = emit.integers([step.attr<number>('axis')], []);
    const flag = (name: string) => attr.bool(step.attr<boolean | undefined>(name) ?? false);
    const attrs = { exclusive: flag('exclusive'), reverse: flag('reverse') };
    return only(context, op, [...refs(context, ['x']), axis], attrs);
  };

/** Kernels that move values, or reduce along axes. */
export const SHAPING: Rules = {
  Reshape: view('x'),
  Identity: view('x'),
  ExpandDims: view('input'),
  ...each('Mean Sum Max Min Prod All Any', reduction),
  ...each('ArgMax ArgMin', arg),
  ...each('Cumsum Cumprod', cumulated),
  Transpose: (context) => {
    const order = context.emit.integers(context.step.attr<number[]>('perm'));
    return only(context, 'Transpose', [...refs(context, ['x']), order]);
  },
  Slice: (context) => {
    const { emit, step, out } = context;
    const begin = step.lengthsAttr('begin');
    const sizes = out[0]!.map((size, i) => (reachesEnd(context, begin[i]!, i) ? -1 : size));
    const [from, size] = [begin, sizes].map((lengths) => emit.wholeShape(lengths));
    return only(context, 'Slice', [...refs(context, ['x']), from!, size!]);
  },
  StridedSlice: (context) => {
    const { emit, step } = context;
    const lists = ['begin', 'end', 'strides'].map((name) =>
      emit.integers(step.attr<number[]>(name)),
    );
    const mask = (name: string) => attr.int(step.attr<number>(name));
    return only(context, 'StridedSlice', [...refs(context, ['x']), ...lists], {
      begin_mask: mask('beginMask'),
      end_mask: mask('endMask'),
      ellipsis_mask: mask('ellipsisMask'),
      new_axis_mask: mask('newAxisMask'),
      shrink_axis_mask: mask('shrinkAxisMask'),
    });
  },
  Tile: (context) => {
    const { emit, step } = context;
    return only(context, 'Tile', [
      ...refs(context, ['x']),
      emit.wholeShape(step.lengthsAttr('reps')),
    ]);
  },
  BroadcastTo: (context) => {
    const shape = context.emit.wholeShape(context.out[0]!);
    return only(context, 'BroadcastTo', [...refs(context, ['x']), shape]);
  },
  Reverse: (context) => {
    const axes = context.emit.integers([context.step.attr<number | number[]>('dims')].flat());
    return only(context, 'ReverseV2', [...refs(context, ['x']), axes]);
  },
};

/** Whether a slice goes to the end of an axis, in both calls. */
function reachesEnd({ known, out }: Context, from: Length, axis: number): boolean {
  const [length, size] = [known('x').lengths[axis]!, out[0]![axis]!];
  if (typeof length === 'object') return from === 0 && sameLength(length, size);
  return typeof size === 'number' && typeof from === 'number' && from + size === length;
}
