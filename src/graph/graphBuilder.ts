import { io, util } from '@tensorflow/tfjs-core';
import { HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';

/**
 * An attribute of a NodeDef, by its kind: a bool, an integer, a float, text, a list of one of the
 * last three, or a dtype.
 */
export type GraphAttr =
  | { readonly b: boolean }
  | { readonly i: number }
  | { readonly f: number }
  | { readonly s: string }
  | { readonly floats: readonly number[] }
  | { readonly ints: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly type: 'float32' | 'int32' | 'bool' };

/** A tensor in the graph: `name`, or `name:k` for output k of a node. */
export type GraphRef = string;

const DTYPES = { float32: 'DT_FLOAT', int32: 'DT_INT32', bool: 'DT_BOOL' } as const;

/**
 * Builds a TensorFlow graph for `tf.loadGraphModel`, node by node.
 *
 * Inputs must be added before the nodes that read them, so a graph that was built is acyclic and
 * has no dangling name. Names are unique; `-1` is a dimension that is known only at run time.
 */
export class GraphBuilder {
  private readonly nodes = new Map<string, object>();
  private readonly specs: io.WeightsManifestEntry[] = [];
  private readonly weights: ArrayBuffer[] = [];
  private readonly inputs: Record<string, object> = {};

  /** An input of the model. */
  placeholder(
    name: string,
    shape: readonly number[],
    dtype: keyof typeof DTYPES = 'float32',
  ): GraphRef {
    const attr = { dtype: { type: DTYPES[dtype] }, shape: { shape: protoShape(shape) } };
    this.inputs[name] = { name: `${name}:0`, dtype: DTYPES[dtype], tensorShape: protoShape(shape) };
    return this.add({ name, op: 'Placeholder', attr });
  }

  /** A weight, copied. @throws InvalidArgumentError when the values do not fill the shape. */
  constant(name: string, shape: readonly number[], values: Float32Array | Int32Array): GraphRef {
    const size = util.sizeFromShape([...shape]);
    if (values.length !== size) {
      const wanted = `${size} long, for shape [${shape}]`;
      throw new InvalidArgumentError(
        'GraphBuilder',
        `values of ${name}`,
        wanted,
        `${values.length}`,
      );
    }
    const dtype = values instanceof Float32Array ? 'float32' : 'int32';
    const type = DTYPES[dtype];
    this.specs.push({ name, shape: [...shape], dtype });
    this.weights.push(values.slice().buffer);
    const tensor = { dtype: type, tensorShape: protoShape(shape) };
    return this.add({ name, op: 'Const', attr: { dtype: { type }, value: { tensor } } });
  }

  /**
   * Any op, of TensorFlow or of this package; `^name` is a control input. Returns its first output.
   */
  node(
    op: string,
    name: string,
    input: readonly GraphRef[],
    attrs: Readonly<Record<string, GraphAttr>> = {},
  ): GraphRef {
    for (const ref of input) this.check(ref, name);
    const entries = Object.entries(attrs).map(([key, value]) => [key, protoAttr(value)]);
    return this.add({
      name,
      op,
      input,
      attr: { T: { type: 'DT_FLOAT' }, ...Object.fromEntries(entries) },
    });
  }

  /** The finished model, for `tf.io.fromMemory`. `outputs` names the model's outputs in order. */
  build(outputs: readonly GraphRef[]): io.ModelArtifacts {
    for (const ref of outputs) this.check(ref, 'the outputs');
    const named = outputs.map((name) => [name, { name: name.includes(':') ? name : `${name}:0` }]);
    return {
      format: 'graph-model',
      generatedBy: 'tfjs-hadanorm',
      modelTopology: { node: [...this.nodes.values()], library: {}, versions: { producer: 1395 } },
      weightSpecs: [...this.specs],
      weightData: io.CompositeArrayBuffer.join(this.weights),
      signature: { inputs: { ...this.inputs }, outputs: Object.fromEntries(named) },
    };
  }

  private add(node: {
    name: string;
    op: string;
    input?: readonly string[];
    attr: object;
  }): GraphRef {
    if (this.nodes.has(node.name)) {
      throw new HadaNormError(
        'GraphBuilder',
        `there is a node ${JSON.stringify(node.name)} already.`,
      );
    }
    this.nodes.set(node.name, { input: [], ...node });
    return node.name;
  }

  private check(ref: GraphRef, reader: string): void {
    const name = ref.replace(/^\^/, '').replace(/:\d+$/, '');
    if (this.nodes.has(name)) return;
    const wanted = 'the name of a node that was added before';
    throw new InvalidArgumentError(
      'GraphBuilder',
      `an input of ${reader}`,
      wanted,
      JSON.stringify(ref),
    );
  }
}

function protoShape(shape: readonly number[]): object {
  return { dim: shape.map((size) => ({ size: `${size}` })) };
}

function protoAttr(attr: GraphAttr): object {
  if ('s' in attr) return { s: btoa(attr.s) };
  if ('i' in attr) return { i: `${attr.i}` };
  if ('floats' in attr) return { list: { f: attr.floats } };
  if ('ints' in attr) return { list: { i: attr.ints.map(String) } };
  if ('strings' in attr) return { list: { s: attr.strings.map((text) => btoa(text)) } };
  if ('type' in attr) return { type: DTYPES[attr.type] };
  return attr;
}
