import { type DataType, env, type TensorInfo } from '@tensorflow/tfjs-core';
import { bytesOfShape, type WebgpuBackend } from './backend.js';
import { type Dispatch, dispatch } from './dispatch.js';
import { DOT4_FLAG } from './flag.js';
import { checkBytes, foldGroups, type Limits, limitsOf } from './limits.js';
import { type Shader, type Spec, whyNoProgram } from './shader.js';

/** What a program works on. */
export interface Bindings {
  readonly reads: readonly (TensorInfo | GPUBuffer)[];
  readonly writes: readonly TensorInfo[];
  /** In the order of the program's sizes. Default none. */
  readonly sizes?: readonly number[];
  /** How many workgroups. */
  readonly groups: number;
}

/**
 * Runs programs for one call of a kernel; what it made and did not give back is disposed of at the
 * call's end.
 */
export class WebgpuScope {
  private made: TensorInfo[] = [];

  /** @param op What errors name. */
  constructor(
    readonly backend: WebgpuBackend,
    readonly op: string,
  ) {}

  get limits(): Limits {
    return limitsOf(this.backend.device);
  }

  /** Whether `dot4I8Packed` is there; `dot4Wgsl` does without. */
  get dot4(): boolean {
    return env().getBool(DOT4_FLAG) && hasDot4();
  }

  /**
   * A tensor that programs write, disposed of at the end of the call unless it is returned.
   * @throws UnsupportedDeviceError for more than a program can bind.
   */
  make(shape: readonly number[], dtype: DataType = 'float32'): TensorInfo {
    const what = () => `a tensor of shape [${shape}]`;
    checkBytes(this.op, what, bytesOfShape(shape), this.limits);
    return this.track(this.backend.makeTensorInfo([...shape], dtype));
  }

  /** Records a run of the program of a spec. */
  run<S extends Spec>(shader: Shader<S>, spec: S, bindings: Bindings): void {
    const { reads, writes, sizes = [], groups } = bindings;
    const folded = foldGroups(this.op, groups, this.limits);
    const run: Dispatch<S> = { shader, spec, reads, writes, sizes, groups: folded };
    dispatch(this.backend, run);
  }

  /** Why this device cannot run the program of a spec; null where it can. */
  whyNot<S extends Spec>(shader: Shader<S>, spec: S): string | null {
    return whyNoProgram(shader, spec, this.backend.device);
  }

  /** Hands a tensor over: it is disposed of at the end of the call unless the kernel returns it. */
  track(info: TensorInfo): TensorInfo {
    this.made.push(info);
    return info;
  }

  /** Has tensors live until the end of the call. */
  hold(infos: readonly TensorInfo[]): void {
    for (const info of infos) {
      this.backend.incRef(info.dataId);
      this.track(info);
    }
  }

  /** An input as an output too: one more reference to its data, unless the call made it. */
  share(info: TensorInfo): TensorInfo {
    const own = this.made.some(({ dataId }) => dataId === info.dataId);
    if (!own) this.backend.incRef(info.dataId);
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
  close(outputs: readonly TensorInfo[] = []): void {
    const kept = new Set(outputs.map(({ dataId }) => dataId));
    for (const { dataId } of this.made) if (!kept.has(dataId)) this.backend.disposeData(dataId);
    this.made = [];
  }
}

let dot4: boolean | undefined;

function hasDot4(): boolean {
  const features = () => globalThis.navigator?.gpu?.wgslLanguageFeatures;
  dot4 ??= features()?.has('packed_4x8_integer_dot_product') === true;
  return dot4;
}
