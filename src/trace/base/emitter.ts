import { keep, reshape, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { type Attrs, attr } from '../../graph/attrs.js';
import { GraphBuilder } from '../../graph/builder.js';
import type { Ref } from '../../graph/ir.js';
import type { Dtype, Values } from '../../graph/newWeights.js';
import { weightsFromTensors } from '../../graph/weights.js';
import { BakedError, type Length, type Lengths, openShape, sameLengths } from './pairs.js';
import { repeats } from './repeats.js';
import type { Known } from './steps.js';

/**
 * A tensor of the graph: what a node gives, under a shape that it need not have yet. So a chain of
 * reshapes is one, or none.
 */
export interface Value {
  readonly ref: Ref;
  /** The shape that the node gives. */
  readonly base: Lengths;
  readonly lengths: Lengths;
  /** The constant that it is, which any shape costs nothing. */
  readonly constant: Known | null;
}

/** Writes the nodes of a graph, and holds the tensors of its weights. */
export class Emitter {
  readonly builder = new GraphBuilder();
  /** By name; the model's, once there is one. */
  readonly tensors: Record<string, Tensor> = {};
  private readonly names = new Set<string>();
  private readonly made = new Map<string, Ref>();
  private batch: Ref | null = null;

  constructor(
    private readonly op: string,
    /** The input that says how many samples there are; null where the batch stays as it is. */
    private batchInput: Ref | null = null,
  ) {}

  input(name: string, lengths: Lengths, dtype: Dtype): Value {
    const own = this.builder.placeholder(this.own(name), openShape(lengths), dtype);
    if (typeof lengths[0] === 'object') this.batchInput ??= own;
    return { ref: own, base: lengths, lengths, constant: null };
  }

  /** A node that computes; the shape is what it gives. */
  node(op: string, inputs: readonly Ref[], lengths: Lengths, attrs: Attrs = {}, at = op): Value {
    const ref = this.builder.node(op, this.own(at), inputs, attrs);
    return { ref, base: lengths, lengths, constant: null };
  }

  /** The tensor in its shape. */
  ref(value: Value): Ref {
    if (value.constant !== null) return this.constantRef(value.constant, value.lengths);
    if (sameLengths(value.base, value.lengths)) return value.ref;
    const key = `${value.ref} ${JSON.stringify(value.lengths)}`;
    return this.once(key, () =>
      this.builder.node('Reshape', this.own('Reshape'), [value.ref, this.shape(value.lengths)]),
    );
  }

  /** The same numbers under another shape. */
  view(value: Value, lengths: Lengths): Value {
    const { constant } = value;
    if (constant?.lengths.some((length) => typeof length === 'object')) {
      const ref = this.ref(value);
      return { ref, base: value.lengths, lengths, constant: null };
    }
    return { ...value, lengths };
  }

  /** A value that is broadcast: a constant only as large as it has to be. */
  broadcast(value: Value): Value {
    const { constant } = value;
    if (constant === null) return value;
    const least = repeats(this.op, constant);
    if (least === null) return value;
    const lengths = value.lengths.map((length, i) => (least.axes.includes(i) ? 1 : length));
    const ref = this.least(constant, least.values, lengths as number[]);
    return { ref, base: lengths, lengths, constant: null };
  }

  integers(values: readonly number[], shape: readonly number[] = [values.length]): Ref {
    const key = `integers ${values} of ${shape}`;
    return this.once(key, () => this.weight('shape', Int32Array.from(values), shape, 'int32'));
  }

  scalar(value: number, dtype: 'float32' | 'int32' = 'float32'): Ref {
    if (dtype === 'int32') return this.integers([value], []);
    return this.once(`scalar ${value}`, () =>
      this.weight('scalar', Float32Array.of(value), [], 'float32'),
    );
  }

  /** A shape as a tensor: a constant where one −1 says it all. */
  shape(lengths: Lengths): Ref {
    const open = openShape(lengths);
    if (open.filter((length) => length === -1).length < 2 && !open.includes(0)) {
      return this.integers(open);
    }
    return this.wholeShape(lengths);
  }

  /** A shape without −1. */
  wholeShape(lengths: Lengths): Ref {
    const open = openShape(lengths);
    if (!open.includes(-1)) return this.integers(open);
    const key = `shape ${JSON.stringify(lengths)}`;
    return this.once(key, () => {
      const parts = lengths.map((length) => this.length(length));
      const attrs = { T: attr.type('int32'), N: attr.int(parts.length), axis: attr.int(0) };
      return this.builder.node('Pack', this.own('newShape'), parts, attrs);
    });
  }

  /** A name that no node has. */
  own(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.names.has(name) || name in Object.prototype; i++) name = `${wanted}_${i}`;
    this.names.add(name);
    return name;
  }

  dispose(): void {
    for (const made of Object.values(this.tensors)) made.dispose();
  }

  private length(length: Length): Ref {
    if (typeof length === 'number') return this.scalar(length, 'int32');
    const type = { T: attr.type('int32') };
    this.batch ??= this.samples();
    if (length.times === 1) return this.batch;
    const by = [this.batch, this.scalar(length.times, 'int32')];
    return this.once(`batch ${length.times}`, () =>
      this.builder.node('Mul', this.own('batchTimes'), by, type),
    );
  }

  private samples(): Ref {
    const whole = { out_type: attr.type('int32') };
    const shape = this.builder.node('Shape', this.own('inputShape'), [this.batchInput!], whole);
    const [begin, end, stride] = [this.integers([0]), this.integers([1]), this.integers([1])];
    return this.builder.node('StridedSlice', this.own('batch'), [shape, begin, end, stride], {
      T: attr.type('int32'),
      begin_mask: attr.int(0),
      end_mask: attr.int(0),
      ellipsis_mask: attr.int(0),
      new_axis_mask: attr.int(0),
      shrink_axis_mask: attr.int(1),
    });
  }

  private constantRef(known: Known, lengths: Lengths): Ref {
    const constant = known.constant!;
    const open = openShape(lengths);
    if (!open.includes(-1)) {
      return this.once(`constant ${constant.id} as ${open}`, () => {
        const own = this.own(constant.name ?? 'constant');
        return this.keepAs(own, keep(reshape(constant.tensor, open)), constant.dtype as Dtype);
      });
    }
    // it grows with the batch: one sample of it, as often as there are samples
    const least = repeats(this.op, known);
    if (least === null) throw new BakedError(this.op, 'that makes a constant');
    const dims = known.lengths.map((length, i) => (least.axes.includes(i) ? 1 : length));
    const one = this.least(known, least.values, dims as number[]);
    return this.once(`grown ${constant.id}`, () =>
      this.builder.node('BroadcastTo', this.own('BroadcastTo'), [one, this.wholeShape(lengths)]),
    );
  }

  private least({ constant }: Known, values: Values, shape: readonly number[]): Ref {
    const dtype = constant!.dtype as Dtype;
    return this.once(`least ${constant!.id} as ${shape}`, () =>
      this.weight(constant!.name ?? 'constant', values, shape, dtype),
    );
  }

  private weight(at: string, values: Values, shape: readonly number[], dtype: Dtype): Ref {
    return this.keepAs(this.own(at), keep(tensor(values, [...shape], dtype)), dtype);
  }

  private keepAs(name: string, made: Tensor, dtype: Dtype): Ref {
    this.tensors[name] = made;
    const spec = { name, shape: made.shape, dtype };
    return this.builder.lazy(weightsFromTensors([spec], { [name]: [made] }).get(name)!);
  }

  private once(key: string, make: () => Ref): Ref {
    const ref = this.made.get(key) ?? make();
    this.made.set(key, ref);
    return ref;
  }
}
