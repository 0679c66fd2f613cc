import type { DataType, TensorInfo, TypedArray } from '@tensorflow/tfjs-core';

/**
 * A fragment program as tfjs-backend-webgl compiles it: one invocation writes one texel of the
 * output.
 */
export interface WebglProgram {
  /** Samplers, in the order of the inputs; a getter `getName(row, column)` comes with each. */
  readonly variableNames: readonly string[];
  readonly outputShape: readonly number[];
  /**
   * GLSL ES 3.00 with a `main` that calls `setOutput`. Whatever specialises a program must be in
   * here: tfjs keys on it.
   */
  readonly userCode: string;
  /**
   * Inputs are read as texels of 2 rows × 2 columns: (r, c), (r, c + 1), (r + 1, c) and
   * (r + 1, c + 1).
   */
  readonly packedInputs?: boolean;
  /** The output is written as such texels. */
  readonly packedOutput?: boolean;
  readonly outTexUsage?: TextureUsage;
  /**
   * Shapes come as uniforms, `nameTexShape` (texture rows, columns) and `outTexShape` among them:
   * one program for many.
   */
  readonly enableShapeUniforms?: boolean;
  readonly customUniforms?: readonly { readonly name: string; readonly type: UniformType }[];
}

/** Types of custom uniforms; values are arrays of as many numbers. */
export type UniformType = 'float' | 'vec2' | 'vec3' | 'vec4' | 'int' | 'ivec2' | 'ivec3' | 'ivec4';

/** What tfjs chooses a texture's format by: float for `render`, RGBA8 for `pixels`. */
export type TextureUsage = 0 | 2;
export const RENDER_USAGE: TextureUsage = 0;
export const PIXELS_USAGE: TextureUsage = 2;

/** What tfjs-backend-webgl knows of a tensor's data. */
export interface TextureData {
  usage?: number;
  /** Data that is disposed of with this. tfjs has it for the two halves of complex numbers. */
  complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
  values?: unknown;
  /** Null until the data is uploaded. */
  texture?: unknown;
  shape: number[];
  texShape: [rows: number, columns: number] | null;
  isPacked?: boolean;
}

/** The parts of tfjs-backend-webgl 4.22 that kernels use. */
export interface WebglBackend {
  readonly gpgpu: {
    readonly gl: WebGL2RenderingContext;
    uploadDenseMatrixToTexture(
      texture: WebGLTexture,
      width: number,
      height: number,
      data: TypedArray,
    ): void;
  };
  readonly texData: {
    get(dataId: object): TextureData;
    set(dataId: object, data: TextureData): void;
    has(dataId: object): boolean;
    delete(dataId: object): boolean;
  };
  runWebGLProgram(
    program: WebglProgram,
    inputs: readonly TensorInfo[],
    outputDtype: DataType,
    customUniformValues?: readonly (readonly number[])[],
    preventEagerUnpackingOfOutput?: boolean,
  ): TensorInfo;
  makeTensorInfo(shape: readonly number[], dtype: DataType, values?: TypedArray): TensorInfo;
  disposeIntermediateTensorInfo(info: TensorInfo): void;
  /** A copy with one element to a texel. */
  unpackTensor(info: TensorInfo): TensorInfo;
  readSync(dataId: object): TypedArray;
  /** Makes a texture for the data where it has none. */
  uploadToGPU(dataId: object): void;
  /** The texture of the data, made where there is none. */
  getTexture(dataId: object): WebGLTexture;
  incRef(dataId: object): void;
}
