import {
  backend_util,
  type SplitVAttrs,
  type SplitVInputs,
  type Tensor,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import { takeOver } from '../common/takeOver.js';
import type { WebgpuBackend } from './backend.js';
import { defer, deferredOf, fulfil, infoOf, mayWait } from './deferred.js';
import { inScope } from './kernel.js';
import { isOnGpu } from './lazy.js';
import type { Shader } from './shader.js';

const KERNEL = 'SplitV';

/**
 * Splits the last axis into equal parts, as the modulation of a DiT's block is, by one program;
 * tfjs takes one for each part. Few rows of floats wait until somebody looks: layer norms read them
 * where they are. All else is left to tfjs.
 */
export function takeOverSplits(): void {
  takeOver(KERNEL, 'webgpu', (theirs) => (params) => {
    const { x } = params.inputs as SplitVInputs;
    const backend = params.backend as WebgpuBackend;
    const count = partsOf(backend, x!, params.attrs as object as SplitVAttrs);
    if (count === null) return theirs(params);
    if (!isModulation(x!) || !mayWait(backend, [x!])) return split(backend, x!, count);
    return deferredParts(backend, infoOf(x!), count);
  });
}

/** How many equal parts the last axis is split into; null where it is something else. */
function partsOf(
  backend: WebgpuBackend,
  x: TensorInfo,
  { numOrSizeSplits, axis }: SplitVAttrs,
): number | null {
  const { dtype } = backend.tensorMap.get(x.dataId);
  const last = x.shape.length - 1;
  if (util.parseAxisParam(axis, x.shape)[0] !== last) return null;
  const sizes = backend_util.prepareSplitSize(x as Tensor, numOrSizeSplits, last);
  const most = backend.device.limits.maxStorageBuffersPerShaderStage - 1;
  const equal = sizes.every((size) => size === sizes[0]);
  const fits = equal && sizes.length > 1 && sizes.length <= most;
  // what lies on the host is split there; a cast that shares memory has another type within
  const plain = dtype === x.dtype && dtype !== 'complex64' && dtype !== 'string';
  const given = util.sizeFromShape(x.shape) > 0 && plain && isOnGpu(backend, x);
  return fits && given ? sizes.length : null;
}

/** Numbers of a modulation at most: of more, who reads them apart would hold too much. */
const MOST_NUMBERS = 2 ** 18;

function isModulation({ shape, dtype }: TensorInfo): boolean {
  return dtype === 'float32' && util.sizeFromShape(shape) <= MOST_NUMBERS;
}

/** Who looks at one of them computes all. */
function deferredParts(backend: WebgpuBackend, x: TensorInfo, count: number): TensorInfo[] {
  const stride = x.shape[x.shape.length - 1]!;
  const width = stride / count;
  const parts: TensorInfo[] = [];
  const make = (wanted: number): TensorInfo => {
    const made = split(backend, x, count);
    made.forEach((one, i) => {
      if (i === wanted) return;
      const part = parts[i]!;
      const waits = backend.tensorMap.has(part.dataId) && deferredOf(backend, part) !== undefined;
      if (waits) fulfil(backend, part, one);
      else backend.disposeData(one.dataId);
    });
    return made[wanted]!;
  };
  for (let i = 0; i < count; i++) {
    const deferred = { kind: 'part', operands: [x], at: i * width, width, stride } as const;
    parts.push(defer(backend, [...x.shape.slice(0, -1), width], deferred, () => make(i)));
  }
  return parts;
}

function split(backend: WebgpuBackend, x: TensorInfo, count: number): TensorInfo[] {
  const columns = x.shape[x.shape.length - 1]!;
  const size = util.sizeFromShape(x.shape);
  return inScope(backend, KERNEL, (webgpu) => {
    const shape = [...x.shape.slice(0, -1), columns / count];
    const parts = Array.from({ length: count }, () => webgpu.make(shape, x.dtype));
    webgpu.run(
      splitShader,
      { count },
      {
        reads: [x],
        writes: parts,
        sizes: [size, columns / count],
        groups: Math.ceil(size / INVOCATIONS),
      },
    );
    return parts;
  }) as TensorInfo[];
}

const INVOCATIONS = 128;

const splitShader: Shader<{ count: number }> = {
  name: 'split',
  build: ({ count }) => {
    const parts = Array.from({ length: count }, (_, i) => i);
    return {
      reads: { x: 'u32' },
      writes: Object.fromEntries(parts.map((i) => [`y${i}`, 'u32'] as const)),
      sizes: ['size', 'width'],
      invocations: INVOCATIONS,
      workgroupBytes: 0,
      code: `
fn run(lid: u32, group: u32) {
  let at = group * ${INVOCATIONS}u + lid;
  if (at >= sizes.size) { return; }
  let column = at % sizes.width;
  let part = (at / sizes.width) % ${count}u;
  let to = (at / (sizes.width * ${count}u)) * sizes.width + column;
  switch part {
    ${parts.map((i) => `case ${i}u: { y${i}[to] = x[at]; }`).join('\n    ')}
    default: {}
  }
}`,
    };
  },
};
