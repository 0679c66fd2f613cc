import protobuf from 'protobufjs';

/**
 * The part of the ONNX format that the benchmark's models need, fields and numbers as in
 * onnx/onnx.proto.
 */
const SCHEMA = `syntax = "proto2"; package onnx;
message AttributeProto {
  required string name = 1;
  optional float f = 2;
  optional int64 i = 3;
  optional bytes s = 4;
  repeated int64 ints = 8;
  required int32 type = 20;
}
message NodeProto {
  repeated string input = 1;
  repeated string output = 2;
  optional string name = 3;
  optional string op_type = 4;
  repeated AttributeProto attribute = 5;
  optional string domain = 7;
}
message TensorProto {
  repeated int64 dims = 1;
  required int32 data_type = 2;
  required string name = 8;
  required bytes raw_data = 9;
}
message Dimension {
  optional int64 dim_value = 1;
  optional string dim_param = 2;
}
message TensorShapeProto { repeated Dimension dim = 1; }
message TensorTypeProto {
  required int32 elem_type = 1;
  required TensorShapeProto shape = 2;
}
message TypeProto { required TensorTypeProto tensor_type = 1; }
message ValueInfoProto {
  required string name = 1;
  required TypeProto type = 2;
}
message GraphProto {
  repeated NodeProto node = 1;
  required string name = 2;
  repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto {
  required string domain = 1;
  required int64 version = 2;
}
message ModelProto {
  required int64 ir_version = 1;
  required string producer_name = 2;
  required GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8;
}`;

/** AttributeProto.AttributeType. */
export const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** TensorProto.DataType. */
export const DATA_TYPE = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;

/** Names of the element types that are used. */
export type OnnxType = keyof typeof DATA_TYPE;

/** A message `AttributeProto`. */
export interface AttributeProto {
  readonly name: string;
  readonly type: number;
  readonly f?: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly ints?: readonly number[];
}

/** A message `NodeProto`. */
export interface NodeProto {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly opType: string;
  readonly attribute: readonly AttributeProto[];
  readonly domain: string;
}

/** A message `TensorProto`; `rawData` is little-endian. */
export interface TensorProto {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData: Uint8Array;
}

/** A message `ValueInfoProto`. */
export interface ValueInfoProto {
  readonly name: string;
  readonly type: { readonly tensorType: TensorTypeProto };
}

/** A message `TypeProto.Tensor`. */
export interface TensorTypeProto {
  readonly elemType: number;
  readonly shape: { readonly dim: readonly { dimValue?: number; dimParam?: string }[] };
}

/** A message `ModelProto`. */
export interface ModelProto {
  readonly irVersion: number;
  readonly producerName: string;
  readonly opsetImport: readonly { readonly domain: string; readonly version: number }[];
  readonly graph: {
    readonly name: string;
    readonly node: readonly NodeProto[];
    readonly initializer: readonly TensorProto[];
    readonly input: readonly ValueInfoProto[];
    readonly output: readonly ValueInfoProto[];
  };
}

const Model = protobuf.parse(SCHEMA).root.lookupType('onnx.ModelProto');

/** The bytes of an .onnx file. @throws Error for a message that does not fit the format. */
export function encodeModel(model: ModelProto): Uint8Array {
  const problem = Model.verify(model);
  if (problem !== null) throw new Error(`This is no ONNX model: ${problem}.`);
  return Model.encode(model).finish();
}
