import type { io } from '@tensorflow/tfjs-core';

const UTF8 = new TextEncoder();

/** A weight's spec and its bytes in the file. */
export interface FileWeight {
  readonly spec: io.WeightsManifestEntry;
  readonly bytes: Uint8Array;
}

/** One weight of each kind that tfjs's files have; every code of the quantized ones among them. */
export const FILE_WEIGHTS: readonly FileWeight[] = [
  weight('plain', [2, 3], 'float32', Float32Array.of(0, -0, 1.5, -3e38, 1e-45, Number.NaN)),
  weight('ints', [3], 'int32', Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1)),
  weight('bytes', [256], 'bool', all(256, Uint8Array)),
  weight('nothing', [0, 4], 'float32', new Float32Array(0)),
  weight('scalar', [], 'float32', Float32Array.of(0.1)),
  strings('words', ['', 'ä∂', 'a'.repeat(300)]),
  // not UTF-8
  { ...strings('raw', ['ab']), bytes: Uint8Array.of(2, 0, 0, 0, 0xff, 0xc0) },
  quantized('codes8', 'float32', all(256, Uint8Array), 0.0123, -1.7),
  quantized('codes8away', 'float32', all(256, Uint8Array), 0.5, 1000),
  quantized('codes16', 'float32', all(65536, Uint16Array), 3.1e-5, -1.01),
  quantized('ints8', 'int32', all(256, Uint8Array), 1, -100),
  quantized('ints16', 'int32', all(65536, Uint16Array), 2.75, -40000),
  halves('halves'),
];

/** Complex numbers: not every backend has them. */
export const COMPLEX = weight('complex', [2], 'complex64', Float32Array.of(1, -2, 0.5, 3e38));

/** The data of weights, one after the other. */
export function dataOf(weights: readonly FileWeight[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(weights.flatMap(({ bytes }) => [...bytes]));
}

/** `data` in pieces that end at `cuts`, in order; some may be empty. */
export function cut(data: Uint8Array<ArrayBuffer>, cuts: readonly number[]): ArrayBuffer[] {
  const ends = [...cuts, data.length];
  return ends.map((end, i) => data.slice(ends[i - 1] ?? 0, end).buffer);
}

/**
 * The artifacts of a model with everything that a file may hold: both encodings, control inputs,
 * loops of a function library, an initializer, fields that nobody reads.
 */
export function oddArtifacts(weights: readonly FileWeight[] = FILE_WEIGHTS): io.ModelArtifacts {
  const constants = weights.map(({ spec }) => ({
    name: spec.name,
    op: 'Const',
    attr: { dtype: { type: 'DT_FLOAT' }, value: { tensor: { dtype: 'DT_FLOAT' } } },
  }));
  return {
    format: 'graph-model',
    generatedBy: '2.15.0',
    convertedBy: 'TensorFlow.js Converter v4.22.0',
    modelTopology: {
      node: [
        { name: 'x', op: 'Placeholder', attr: { dtype: { type: 'DT_FLOAT' }, shape: xShape() } },
        {
          name: 'y',
          op: 'Placeholder',
          input: [],
          attr: { dtype: { type: 1 }, shape: { shape: { unknownRank: true } } },
        },
        ...constants,
        {
          name: 'product',
          op: '_FusedMatMul',
          input: ['x', 'plain', '^ints', '^scalar'],
          device: '/device:CPU:0',
          experimentalDebugInfo: { originalNodeNames: ['a', 'b'] },
          attr: {
            fused_ops: { list: { s: ['Qmlhc0FkZA==', [82, 101, 108, 117]] } },
            num_args: { i: '1' },
            epsilon: { f: 1e-4 },
            transpose_a: { b: false },
            T: { type: 1 },
            data_format: { s: [78, 72, 87, 67] },
          },
        },
        {
          name: 'parts',
          op: 'Split',
          input: ['scalar', 'product:0'],
          attr: { num_split: { i: 3 } },
        },
        { name: 'sum', op: 'AddV2', input: ['parts', 'parts:2'] },
        {
          name: 'loop',
          op: 'PartitionedCall',
          input: ['sum', '^y'],
          attr: { f: { func: { name: 'twice' } } },
        },
      ],
      library: {
        function: [
          {
            signature: { name: 'twice', inputArg: [{ name: 'a' }], outputArg: [{ name: 'b' }] },
            nodeDef: [{ name: 'add', op: 'AddV2', input: ['a', 'a'] }],
            ret: { b: 'add:z:0' },
          },
        ],
      },
      versions: { producer: 1575, minConsumer: 12 },
    },
    weightSpecs: weights.map(({ spec }) => spec),
    weightData: dataOf(weights).buffer,
    signature: {
      inputs: { first: { name: 'x:0' }, second: { name: 'y:0' } },
      outputs: { main: { name: 'loop:0' }, side: { name: 'parts:1' } },
    },
    userDefinedMetadata: { note: 'kept' },
    modelInitializer: { node: [{ name: 'table', op: 'HashTableV2' }], versions: {} },
    initializerSignature: { inputs: {}, outputs: { table: { name: 'table:0' } } },
    trainingConfig: undefined as never,
  };
}

function xShape(): object {
  return { shape: { dim: [{ size: '-1' }, { size: 2 }] } };
}

function weight(
  name: string,
  shape: number[],
  dtype: 'float32' | 'int32' | 'bool' | 'complex64',
  values: Float32Array | Int32Array | Uint8Array,
): FileWeight {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { spec: { name, shape, dtype }, bytes };
}

function strings(name: string, texts: readonly string[]): FileWeight {
  const bytes = texts.flatMap((text) => {
    const utf8 = [...UTF8.encode(text)];
    return [utf8.length & 255, utf8.length >> 8, 0, 0, ...utf8];
  });
  return {
    spec: { name, shape: [texts.length], dtype: 'string' },
    bytes: Uint8Array.from(bytes),
  };
}

function quantized(
  name: string,
  dtype: 'float32' | 'int32',
  codes: Uint8Array | Uint16Array,
  scale: number,
  min: number,
): FileWeight {
  const kind = codes instanceof Uint8Array ? 'uint8' : 'uint16';
  const quantization = { dtype: kind, scale, min } as const;
  const bytes = new Uint8Array(codes.buffer);
  return { spec: { name, shape: [codes.length], dtype, quantization }, bytes };
}

function halves(name: string): FileWeight {
  const bytes = new Uint8Array(all(65536, Uint16Array).buffer);
  const quantization = { dtype: 'float16' } as const;
  return { spec: { name, shape: [65536], dtype: 'float32', quantization }, bytes };
}

function all<T extends Uint8Array | Uint16Array>(
  count: number,
  type: { from(list: ArrayLike<unknown>, map: (v: unknown, i: number) => number): T },
): T {
  return type.from({ length: count }, (_, i) => i);
}
