import { io, type Tensor, util } from '@tensorflow/tfjs-core';
import { HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { type Attrs, attr } from './attrs.js';
import type { Stored } from './encodings.js';
import { type Graph, type GraphNode, makeNode, nodeOf, type Ref } from './ir.js';
import { type Dtype, dtypeOf, type Values, weightOfValues, weightOnBackend } from './newWeights.js';
import type { Weight, WeightSpec } from './weights.js';

/**
 * Builds a graph for `tf.loadGraphModel` node by node, or adds nodes to one that is there.
 *
 * Inputs must be added before the nodes that read them, so what was built is acyclic and has no
 * dangling name. `-1` is a dimension that is known only at run time.
 *
 * From nothing, names are as given and a name that is there already is refused; weights are kept
 * as values, for `build`. On a graph, names are made unique, and weights are tensors of the current
 * backend from the start, for `modelFromGraph`: nothing holds their values twice.
 */
export class GraphBuilder {
  readonly weights = new Map<string, Weight>();
  /** The weights on the backend; none where the graph is built from nothing. */
  readonly tensors = new Map<string, Tensor>();
  private nodes: GraphNode[] = [];
  private readonly inputs: Record<string, object> = {};
  private readonly names: Set<string>;

  private readonly fromNothing: boolean;

  constructor(graph: Graph | null = null) {
    this.names = new Set(graph?.nodes.keys());
    this.fromNothing = graph === null;
  }

  /** An input of the model. */
  placeholder(name: string, shape: readonly number[], dtype: Dtype = 'float32'): Ref {
    const own = this.own(name);
    const attrs = { dtype: attr.type(dtype), shape: attr.shape(shape) };
    const [dtypeName, tensorShape] = [attrs.dtype.type, attrs.shape.shape];
    this.inputs[own] = { name: `${own}:0`, dtype: dtypeName, tensorShape };
    return this.add('Placeholder', own, [], attrs);
  }

  /**
   * Any op, of TensorFlow or of this package; `^name` is a control input. `replaced` is the name of
   * a node whose place it takes. Returns its first output.
   */
  node(
    op: string,
    name: string,
    inputs: readonly Ref[],
    attrs: Attrs = {},
    replaced: string | null = null,
  ): Ref {
    for (const ref of inputs) this.check(ref, name);
    return this.add(op, replaced ?? this.own(name), inputs, { T: attr.type('float32'), ...attrs });
  }

  /** A weight, copied. @throws InvalidArgumentError when the values do not fill the shape. */
  constant(name: string, shape: readonly number[], values: Values): Ref {
    const dtype = dtypeOf(values);
    return this.weight(name, { shape: [...shape], dtype }, values);
  }

  /** A weight in float32, or as the file will store it. */
  stored(name: string, shape: readonly number[], { values, quantization }: Stored): Ref {
    if (quantization === undefined) return this.constant(name, shape, values);
    return this.weight(name, { shape: [...shape], dtype: 'float32', quantization }, values);
  }

  /** A weight whose values are read when somebody asks, of a graph that is built from nothing. */
  lazy(weight: Weight): Ref {
    const name = this.own(weight.spec.name);
    this.addConst(name, weight.spec);
    this.weights.set(name, weight);
    return name;
  }

  /** int32 [n], or a scalar. */
  integers(name: string, values: readonly number[], scalar = false): Ref {
    return this.constant(name, scalar ? [] : [values.length], Int32Array.from(values));
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

  /** a · b or a · bᵀ, of matrices. */
  matMul(name: string, a: Ref, b: Ref, transposeB = false, more: Attrs = {}): Ref {
    const transposes = { transpose_a: attr.bool(false), transpose_b: attr.bool(transposeB) };
    return this.node('MatMul', name, [a, b], { ...transposes, ...more });
  }

  concat(name: string, parts: readonly Ref[], along: number): Ref {
    const axis = this.integers(`${name}/axis`, [along], true);
    return this.node('ConcatV2', name, [...parts, axis], { N: attr.int(parts.length) });
  }

  /** The nodes since the last call. */
  take(): GraphNode[] {
    const { nodes } = this;
    this.nodes = [];
    return nodes;
  }

  /** The finished model, for `tf.io.fromMemory`. `outputs` names the model's outputs in order. */
  build(outputs: readonly Ref[]): io.ModelArtifacts {
    const weights = [...this.weights.values()];
    const { signature, ...rest } = this.topology(outputs);
    const weightData = io.CompositeArrayBuffer.join(weights.map((weight) => weight.bytes()));
    return { ...rest, weightData, signature: signature! };
  }

  /** As `build`, without reading a weight. */
  topology(outputs: readonly Ref[]): io.ModelArtifacts {
    for (const ref of outputs) this.check(ref, 'the outputs');
    const named = outputs.map((name) => [name, { name: name.includes(':') ? name : `${name}:0` }]);
    // keys in the order that earlier versions wrote: files that were built are compared by bytes
    const node = this.nodes.map(({ def: { name, op, input, attr } }) => ({
      input,
      name,
      op,
      attr,
    }));
    return {
      format: 'graph-model',
      generatedBy: 'tfjs-hadanorm',
      modelTopology: { node, library: {}, versions: { producer: 1395 } },
      weightSpecs: [...this.weights.values()].map(({ spec: { name, ...spec } }) => ({
        name,
        ...spec,
      })),
      signature: { inputs: { ...this.inputs }, outputs: Object.fromEntries(named) },
    };
  }

  /** Gives up what was made: for an error or a cancellation half way. */
  dispose(): void {
    for (const made of this.tensors.values()) made.dispose();
  }

  private weight(wanted: string, unnamed: Omit<WeightSpec, 'name'>, values: Values): Ref {
    const size = util.sizeFromShape(unnamed.shape);
    if (values.length !== size) {
      const filling = `${size} long, for shape [${unnamed.shape}]`;
      const what = `values of ${wanted}`;
      throw new InvalidArgumentError('GraphBuilder', what, filling, `${values.length}`);
    }
    const name = this.own(wanted);
    const spec = { ...unnamed, name };
    this.addConst(name, spec);
    if (this.fromNothing) this.weights.set(name, weightOfValues(spec, values));
    else {
      const { weight, made } = weightOnBackend(spec, values);
      this.weights.set(name, weight);
      this.tensors.set(name, made);
    }
    return name;
  }

  private addConst(name: string, { dtype, shape }: Omit<WeightSpec, 'name'>): void {
    const type = attr.type(dtype as Dtype);
    this.add('Const', name, [], { dtype: type, value: attr.tensor(type, shape) });
  }

  private add(op: string, name: string, inputs: readonly Ref[], attrs: Attrs): Ref {
    this.names.add(name);
    this.nodes.push(makeNode(op, name, inputs, attrs));
    return name;
  }

  /** A name for a new node. */
  private own(wanted: string): string {
    if (this.fromNothing && this.names.has(wanted)) {
      const problem = `there is a node ${JSON.stringify(wanted)} already.`;
      throw new HadaNormError('GraphBuilder', problem);
    }
    let name = wanted;
    for (let i = 1; this.names.has(name); i++) name = `${wanted}_${i}`;
    this.names.add(name);
    return name;
  }

  private check(ref: Ref, reader: string): void {
    if (this.names.has(nodeOf(ref))) return;
    const [what, wanted] = [`an input of ${reader}`, 'the name of a node that was added before'];
    throw new InvalidArgumentError('GraphBuilder', what, wanted, JSON.stringify(ref));
  }
}
