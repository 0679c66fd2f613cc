import {
  type DataType,
  env,
  getKernel,
  type KernelConfig,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  type TensorInfo,
  tidy,
} from '@tensorflow/tfjs-core';
import { type ComposedOp, defineKernel } from '../common/kernel.js';
import { UnsupportedDeviceError } from '../numerics/errors.js';
import type { WebglBackend, WebglProgram } from './backend.js';
import { halfOutputGlsl } from './half.js';

/** What a kernel is given. */
export interface WebglKernelArgs<Inputs, Attrs> {
  readonly inputs: Inputs;
  readonly attrs: Attrs;
  readonly webgl: WebglScope;
}

/**
 * Runs programs for one call of a kernel; what it made and did not give back is disposed of at the
 * call's end.
 */
export class WebglScope {
  private made: TensorInfo[] = [];

  constructor(readonly backend: WebglBackend) {}

  /** The largest width and height of a texture, in texels. */
  get maxTextureSize(): number {
    return env().getNumber('WEBGL_MAX_TEXTURE_SIZE');
  }

  /** Whether programs can write float32; else what they write is rounded to float16. */
  get writesFloat32(): boolean {
    return env().getBool('WEBGL_RENDER_FLOAT32_ENABLED');
  }

  /** Runs a program. A packed output stays packed, as tfjs's own packed ops leave it. */
  run(
    program: WebglProgram,
    inputs: readonly TensorInfo[],
    dtype: DataType = 'float32',
    uniforms?: readonly (readonly number[])[],
  ): TensorInfo {
    const half = dtype === 'float32' && !this.writesFloat32;
    const type = program.packedOutput === true ? 'vec4' : 'float';
    const userCode = half ? halfOutputGlsl(type) + program.userCode : program.userCode;
    const whole = { ...program, userCode };
    return this.track(this.backend.runWebGLProgram(whole, inputs, dtype, uniforms, true));
  }

  /** Runs a kernel of tfjs's own that has one output. */
  runKernel(name: string, inputs: NamedTensorInfoMap, attrs: NamedAttrMap = {}): TensorInfo {
    const output = getKernel(name, 'webgl').kernelFunc({ inputs, attrs, backend: this.backend });
    return this.track(Array.isArray(output) ? output[0]! : output);
  }

  /** Hands a tensor over: it is disposed of at the end of the call unless the kernel returns it. */
  track(info: TensorInfo): TensorInfo {
    this.made.push(info);
    return info;
  }

  /** Takes a tensor back: whoever attached it disposes of it. */
  keep(info: TensorInfo): TensorInfo {
    this.made = this.made.filter(({ dataId }) => dataId !== info.dataId);
    return info;
  }

  /**
   * The same data under another shape of the same size. Not tracked: it lives and dies with `info`.
   */
  view({ dataId, dtype }: TensorInfo, shape: readonly number[]): TensorInfo {
    return { dataId, dtype, shape: [...shape] };
  }

  /** Disposes of what was made, but for the outputs. */
  close(outputs: readonly TensorInfo[]): void {
    const kept = new Set(outputs.map(({ dataId }) => dataId));
    for (const info of this.made) {
      if (!kept.has(info.dataId)) this.backend.disposeIntermediateTensorInfo(info);
    }
  }
}

/**
 * An op's kernel on tfjs-backend-webgl. The op is composed for forms that the kernel does not
 * support, and with WebGL 1, which has neither integers nor texel fetches.
 *
 * The kernel throws UnsupportedDeviceError where the device's shaders compute with less than
 * float32.
 */
export function webglKernel<Inputs, Attrs>(
  op: ComposedOp<Inputs, Attrs>,
  run: (args: WebglKernelArgs<Inputs, Attrs>) => TensorInfo | TensorInfo[],
  supports: (form: Attrs) => string | null = () => null,
): KernelConfig {
  const { kernelName } = op.contract;
  const isWebgl2 = () => env().getNumber('WEBGL_VERSION') === 2;
  return defineKernel<Inputs, Attrs, WebglBackend>(
    op.contract,
    'webgl',
    ({ inputs, attrs, backend }) => {
      if (isWebgl2()) checkPrecision(kernelName, backend);
      if (!isWebgl2() || supports(attrs) !== null) return tidy(() => op.composite(inputs, attrs));
      return inScope(backend, (webgl) => run({ inputs, attrs, webgl }));
    },
    (form) => (isWebgl2() ? supports(form) : 'this device has no WebGL 2'),
  );
}

function inScope(
  backend: WebglBackend,
  run: (webgl: WebglScope) => TensorInfo | TensorInfo[],
): TensorInfo | TensorInfo[] {
  const webgl = new WebglScope(backend);
  let outputs: TensorInfo | TensorInfo[] = [];
  try {
    outputs = run(webgl);
    return outputs;
  } finally {
    webgl.close(Array.isArray(outputs) ? outputs : [outputs]);
  }
}

const precise = new WeakSet<object>();

function checkPrecision(op: string, { gpgpu }: WebglBackend): void {
  const { gl } = gpgpu;
  if (precise.has(gl)) return;
  const bits = gl.getShaderPrecisionFormat(gl.FRAGMENT_SHADER, gl.HIGH_FLOAT)?.precision ?? 0;
  if (bits < FLOAT32_FRACTION_BITS) {
    const wanted = `float32 in fragment shaders (${FLOAT32_FRACTION_BITS} bits of fraction)`;
    throw new UnsupportedDeviceError(op, wanted, `${bits} bits`);
  }
  precise.add(gl);
}

const FLOAT32_FRACTION_BITS = 23;
