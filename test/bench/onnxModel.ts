import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  DATA_TYPE,
  encodeModel,
  type NodeProto,
  type OnnxType,
  type TensorProto,
  type ValueInfoProto,
} from './onnxProto.js';

/** A value in the graph, by its name. */
export type OnnxRef = string;

/** An attribute: a whole number, a float, text or whole numbers. */
export type OnnxAttr =
  | { readonly i: number }
  | { readonly f: number }
  | { readonly s: string }
  | { readonly ints: readonly number[] };

/** Elements of a constant, by their type. */
export type OnnxValues = Float32Array | Int8Array | Uint8Array | Int32Array | BigInt64Array;

/** The opset of the models: its LayerNormalization and Gelu are what torch.onnx writes today. */
const OPSET = 20;
/** What ONNX Runtime has beside the standard. */
const OWN_DOMAIN = 'com.microsoft';
const OWN_OPS: readonly string[] = ['MatMulNBits', 'MultiHeadAttention'];
/** The version of the format that came with it. */
const IR_VERSION = 9;

/** Builds an ONNX model node by node. Values must be there before the nodes that read them. */
export class OnnxBuilder {
  private readonly names = new Set<OnnxRef>();
  private readonly made = new Map<string, readonly OnnxRef[]>();
  private readonly nodes: NodeProto[] = [];
  private readonly tensors: TensorProto[] = [];
  private readonly inputs: ValueInfoProto[] = [];

  /** An input of the model; a dimension may be a name: it is known only at run time. */
  input(name: string, type: OnnxType, shape: readonly (number | string)[]): OnnxRef {
    this.inputs.push(valueInfo(name, type, shape));
    return this.define(name);
  }

  /** A weight; its values are not copied. */
  constant(name: string, shape: readonly number[], values: OnnxValues): OnnxRef {
    const size = shape.reduce((product, dim) => product * dim, 1);
    if (values.length !== size) {
      throw new Error(`${name} has ${values.length} values, shape [${shape}] has ${size}.`);
    }
    this.tensors.push({
      name,
      dims: shape,
      dataType: DATA_TYPE[typeOf(values)],
      rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    });
    return this.define(name);
  }

  /** A float32 scalar, one for each value. */
  scalar(value: number): OnnxRef {
    return this.shared(`scalar_${value}`, [], Float32Array.of(value));
  }

  /** int64 [n], one for each list. */
  ints(values: readonly number[]): OnnxRef {
    const name = `ints_${values.join('_')}`;
    return this.shared(name, [values.length], BigInt64Array.from(values, BigInt));
  }

  /** A node with one output, which has its name. */
  node(
    opType: string,
    name: string,
    input: readonly OnnxRef[],
    attrs: Readonly<Record<string, OnnxAttr>> = {},
  ): OnnxRef {
    return this.nodeOf(opType, name, input, 1, attrs)[0]!;
  }

  /** A node with several outputs, `name` and `name:i`. */
  nodeOf(
    opType: string,
    name: string,
    input: readonly OnnxRef[],
    count: number,
    attrs: Readonly<Record<string, OnnxAttr>> = {},
  ): OnnxRef[] {
    for (const ref of input) {
      if (!this.names.has(ref)) throw new Error(`${name} reads ${ref}, which is not there.`);
    }
    const output = Array.from({ length: count }, (_, i) => (i === 0 ? name : `${name}:${i}`));
    const attribute = Object.entries(attrs).map(([key, attr]) => attributeOf(key, attr));
    const domain = OWN_OPS.includes(opType) ? OWN_DOMAIN : '';
    this.nodes.push({ name, opType, input, output, attribute, domain });
    return output.map((ref) => this.define(ref));
  }

  /** The bytes of the model. */
  build(output: OnnxRef, type: OnnxType, shape: readonly (number | string)[]): Uint8Array {
    return encodeModel({
      irVersion: IR_VERSION,
      producerName: 'tfjs-hadanorm',
      opsetImport: [
        { domain: '', version: OPSET },
        { domain: OWN_DOMAIN, version: 1 },
      ],
      graph: {
        name: 'graph',
        node: this.nodes,
        initializer: this.tensors,
        input: this.inputs,
        output: [valueInfo(output, type, shape)],
      },
    });
  }

  /** What `make` made when this key was asked for first. */
  once(key: string, make: () => readonly OnnxRef[]): readonly OnnxRef[] {
    const known = this.made.get(key) ?? make();
    this.made.set(key, known);
    return known;
  }

  private shared(name: string, shape: readonly number[], values: OnnxValues): OnnxRef {
    return this.once(name, () => [this.constant(name, shape, values)])[0]!;
  }

  private define(name: OnnxRef): OnnxRef {
    if (this.names.has(name)) throw new Error(`There is a value ${name} already.`);
    this.names.add(name);
    return name;
  }
}

function valueInfo(
  name: string,
  type: OnnxType,
  shape: readonly (number | string)[],
): ValueInfoProto {
  const dim = shape.map((size) =>
    typeof size === 'number' ? { dimValue: size } : { dimParam: size },
  );
  return { name, type: { tensorType: { elemType: DATA_TYPE[type], shape: { dim } } } };
}

function attributeOf(name: string, attr: OnnxAttr): AttributeProto {
  if ('i' in attr) return { name, type: ATTRIBUTE_TYPE.int, i: attr.i };
  if ('f' in attr) return { name, type: ATTRIBUTE_TYPE.float, f: attr.f };
  if ('ints' in attr) return { name, type: ATTRIBUTE_TYPE.ints, ints: attr.ints };
  return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(attr.s) };
}

function typeOf(values: OnnxValues): OnnxType {
  if (values instanceof Float32Array) return 'float32';
  if (values instanceof Int8Array) return 'int8';
  if (values instanceof Uint8Array) return 'uint8';
  return values instanceof Int32Array ? 'int32' : 'int64';
}
