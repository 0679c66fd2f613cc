import { keep, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { type Attrs, attr } from './attrs.js';
import type { Stored } from './encodings.js';
import { type Graph, type GraphNode, makeNode, type Ref } from './ir.js';
import { type Weight, weightsFromTensors } from './weights.js';

/**
 * Marks a product that belongs to a rewritten linear, so that a second rewrite does not take it for
 * one.
 */
export const PART_ATTR = '_hadanorm';

/**
 * Collects the nodes and weights that a pass adds to a graph. Names never clash with those that are
 * there.
 */
export class Emitter {
  readonly tensors = new Map<string, Tensor>();
  readonly weights = new Map<string, Weight>();
  private pending: GraphNode[] = [];
  private readonly taken: Set<string>;

  constructor(graph: Graph) {
    this.taken = new Set(graph.nodes.keys());
  }

  /** The nodes since the last call. */
  take(): GraphNode[] {
    const nodes = this.pending;
    this.pending = [];
    return nodes;
  }

  /**
   * A node; `name` is made unique, unless it takes the name of one that it replaces. Returns its
   * first output.
   */
  node(
    op: string,
    name: string,
    inputs: readonly Ref[],
    attrs: Attrs = {},
    replaced: string | null = null,
  ): Ref {
    const own = replaced ?? this.free(name);
    this.pending.push(makeNode(op, own, inputs, { T: attr.type('float32'), ...attrs }));
    return own;
  }

  /** A weight in float32, or as the file will store it. */
  stored(name: string, shape: readonly number[], { values, quantization }: Stored): Ref {
    const dtype = 'float32' as const;
    const spec = {
      shape: [...shape],
      dtype,
      ...(quantization === undefined ? {} : { quantization }),
    };
    return this.weight(name, spec, tensor(values, [...shape], dtype));
  }

  floats(name: string, shape: readonly number[], values: Float32Array): Ref {
    return this.stored(name, shape, { values, quantization: undefined });
  }

  /** Bytes, one per element: bool is the only dtype of tfjs that is a byte wide. */
  bytes(name: string, values: Uint8Array<ArrayBuffer>): Ref {
    const shape = [values.length];
    return this.weight(name, { shape, dtype: 'bool' }, tensor(values, shape, 'bool'));
  }

  integers(name: string, values: readonly number[], scalar = false): Ref {
    const shape = scalar ? [] : [values.length];
    const data = Int32Array.from(values);
    return this.weight(name, { shape, dtype: 'int32' }, tensor(data, shape, 'int32'));
  }

  /**
   * x with the leading axes of `like` (all but the last `drop`) and then `dims`, whatever they are
   * at run time.
   */
  reshapeLike(
    name: string,
    x: Ref,
    like: Ref,
    drop: number,
    dims: readonly number[],
    replaced: string | null = null,
  ): Ref {
    const shape = this.node('Shape', `${name}/shape`, [like], { out_type: attr.type('int32') });
    const begin = this.integers(`${name}/begin`, [0]);
    const end = this.integers(`${name}/end`, [-drop]);
    const stride = this.integers(`${name}/stride`, [1]);
    const leading = this.node('StridedSlice', `${name}/leading`, [shape, begin, end, stride], {
      T: attr.type('int32'),
      begin_mask: attr.int(1),
      end_mask: attr.int(0),
      ellipsis_mask: attr.int(0),
      new_axis_mask: attr.int(0),
      shrink_axis_mask: attr.int(0),
    });
    const trailing = this.integers(`${name}/trailing`, dims);
    const axis = this.integers(`${name}/axis`, [0], true);
    const whole = this.node('ConcatV2', `${name}/newShape`, [leading, trailing, axis], {
      T: attr.type('int32'),
      N: attr.int(2),
    });
    return this.node('Reshape', name, [x, whole], {}, replaced);
  }

  /** x as rows: [..., d] → [-1, d]. */
  rows(name: string, x: Ref, d: number): Ref {
    return this.node('Reshape', name, [x, this.integers(`${name}/shape`, [-1, d])]);
  }

  matMul(name: string, a: Ref, b: Ref, transposeB = false): Ref {
    const transposes = { transpose_a: attr.bool(false), transpose_b: attr.bool(transposeB) };
    return this.node('MatMul', name, [a, b], { ...transposes, [PART_ATTR]: attr.bool(true) });
  }

  concat(name: string, parts: readonly Ref[], along: number): Ref {
    const axis = this.integers(`${name}/axis`, [along], true);
    return this.node('ConcatV2', name, [...parts, axis], { N: attr.int(parts.length) });
  }

  /** Gives up what was made: for an error or a cancellation half way. */
  dispose(): void {
    for (const made of this.tensors.values()) made.dispose();
  }

  private weight(name: string, spec: Omit<Weight['spec'], 'name'>, made: Tensor): Ref {
    const free = this.free(name);
    const type = attr.type(spec.dtype as 'float32' | 'int32' | 'bool');
    const dim = spec.shape.map((size) => ({ size: `${size}` }));
    const value = { tensor: { dtype: type.type, tensorShape: { dim } } };
    this.pending.push(makeNode('Const', free, [], { dtype: type, value }));
    this.tensors.set(free, keep(made));
    const entry = weightsFromTensors([{ ...spec, name: free }], { [free]: [made] });
    this.weights.set(free, entry.get(free)!);
    return free;
  }

  private free(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.taken.has(name); i++) name = `${wanted}_${i}`;
    this.taken.add(name);
    return name;
  }
}
