import { attr } from '../../graph/attrs.js';
import type { Dtype } from '../../graph/newWeights.js';
import type { Value } from '../base/emitter.js';
import { sameLength } from '../base/pairs.js';
import { type Context, each, only, type Rule, type Rules, refs } from './context.js';

const resized =
  (op: string): Rule =>
  (context) => {
    const { emit, step } = context;
    return only(context, op, [...refs(context, ['images']), emit.integers(step.attr('size'))], {
      align_corners: attr.bool(step.attr('alignCorners')),
      half_pixel_centers: attr.bool(step.attr('halfPixelCenters')),
    });
  };

/** Kernels that put tensors together, take them apart, or look values up. */
export const PARTS: Rules = {
  Concat: (context) => {
    const { emit, step, out } = context;
    const names = step.names();
    const axis = step.attr<number>('axis');
    const at = emit.integers([axis < 0 ? axis + out[0]!.length : axis], []);
    const N = attr.int(names.length);
    return only(context, 'ConcatV2', [...refs(context, names), at], { N });
  },
  Pack: (context) => {
    const { step, out } = context;
    const names = step.names();
    const axis = step.attr<number>('axis');
    const attrs = {
      N: attr.int(names.length),
      axis: attr.int(axis < 0 ? axis + out[0]!.length : axis),
    };
    return only(context, 'Pack', refs(context, names), attrs);
  },
  Unpack: (context) => {
    const axis = context.step.attr<number>('axis');
    const at = axis < 0 ? axis + context.known('value').lengths.length : axis;
    const attrs = { axis: attr.int(at), num: attr.int(context.out.length) };
    return several(context, 'Unpack', refs(context, ['value']), attrs);
  },
  SplitV: split,
  GatherV2: (context) => {
    const { emit, step } = context;
    const axis = emit.integers([step.attr<number>('axis')], []);
    const batch_dims = attr.int(step.attr<number | undefined>('batchDims') ?? 0);
    const inputs = [...refs(context, ['x', 'indices']), axis];
    return only(context, 'GatherV2', inputs, { batch_dims });
  },
  TopK: (context) => {
    const { emit, step } = context;
    const k = emit.scalar(step.attr<number>('k'), 'int32');
    const sorted = attr.bool(step.attr<boolean>('sorted'));
    return several(context, 'TopKV2', [...refs(context, ['x']), k], { sorted });
  },
  GatherNd: (context) => only(context, 'GatherNd', refs(context, ['params', 'indices'])),
  OneHot: (context) => {
    const { emit, step } = context;
    const dtype = step.attr<Dtype | undefined>('dtype') ?? 'int32';
    const inputs = [
      ...refs(context, ['indices']),
      emit.scalar(step.attr('depth'), 'int32'),
      emit.scalar(step.attr('onValue')),
      emit.scalar(step.attr('offValue')),
    ];
    return only(context, 'OneHot', inputs, { T: attr.type(dtype) });
  },
  PadV2: (context) => {
    const value = context.emit.scalar(context.step.attr<number>('constantValue'));
    return only(context, 'PadV2', [...refs(context, ['x']), pads(context), value]);
  },
  MirrorPad: (context) => {
    const mode = attr.string(context.step.attr<string>('mode'));
    return only(context, 'MirrorPad', [...refs(context, ['x']), pads(context)], { mode });
  },
  ...each('ResizeBilinear ResizeNearestNeighbor', resized),
  DepthToSpace: (context) => {
    const { step } = context;
    return only(context, 'DepthToSpace', refs(context, ['x']), {
      block_size: attr.int(step.attr('blockSize')),
      data_format: attr.string(step.attr('dataFormat')),
    });
  },
};

function pads({ emit, step }: Context): string {
  const paddings = step.attr<number[][]>('paddings');
  return emit.integers(paddings.flat(), [paddings.length, 2]);
}

function split(context: Context): readonly Value[] {
  const { emit, step, out, known } = context;
  const given = step.attr<number>('axis');
  const axis = given < 0 ? given + known('x').lengths.length : given;
  const sizes = out.map((lengths) => lengths[axis]!);
  const [x] = refs(context, ['x']);
  const at = emit.integers([axis], []);
  if (sizes.every((size) => sameLength(size, sizes[0]))) {
    return several(context, 'Split', [at, x!], { num_split: attr.int(sizes.length) });
  }
  return several(context, 'SplitV', [x!, emit.wholeShape(sizes), at], {
    num_split: attr.int(sizes.length),
  });
}

/** A node with an output for each of the kernel's. */
function several(
  context: Context,
  op: string,
  inputs: readonly string[],
  attrs: Parameters<typeof only>[3],
): readonly Value[] {
  const { ref } = only(context, op, inputs, attrs);
  return context.out.map((lengths, k) => ({
    ref: k === 0 ? ref : `${ref}:${k}`,
    base: lengths,
    lengths,
    constant: null,
  }));
}
