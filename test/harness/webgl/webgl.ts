import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { HadamardPlan } from '../../../ops/numerics/hadamard.js';
import type { WebglBackend } from '../../../ops/webgl/backend.js';
import { FINITE_GLSL, QUOTIENT_GLSL } from '../../../ops/webgl/glsl.js';
import { type HadamardPass, hadamardPasses } from '../../../ops/webgl/hadamardPasses.js';
import { WebglScope } from '../../../ops/webgl/kernel.js';
import { texelsOf } from '../../../ops/webgl/packed.js';
import { runTexels } from '../../../ops/webgl/texels.js';
import { backends } from '../backends/backends.js';

/** A describe block with the webgl backend set; nothing where this process has none, as Node. */
export function describeOnWebgl(title: string, body: () => void): void {
  const webgl = backends.find(({ name }) => name === 'webgl');
  if (webgl === undefined) return;
  describe(title, () => {
    if (webgl.missing !== undefined) {
      it.skip(`SKIPPED: ${webgl.missing}`);
      return;
    }
    before(async () => {
      await tf.setBackend('webgl');
      await tf.ready();
    });
    body();
  });
}

/** The current backend, which must be webgl. */
export function webglBackend(): WebglBackend {
  return tf.backend() as unknown as WebglBackend;
}

/** Runs `body` with other flags of tfjs's. */
export function withFlags<T>(flags: Record<string, number | boolean>, body: () => T): T {
  const before = Object.keys(flags).map((name) => [name, tf.env().get(name)] as const);
  for (const [name, value] of Object.entries(flags)) tf.env().set(name, value);
  try {
    return body();
  } finally {
    for (const [name, value] of before) tf.env().set(name, value);
  }
}

/** Runs `body` and checks that it left no tensor, no data and no texture behind. */
export function expectNoGpuLeak<T>(body: () => T): T {
  const count = () => {
    const { numTensors, numBytesInGPU } = tf.memory() as tf.MemoryInfo & { numBytesInGPU: number };
    return { numTensors, numBytesInGPU, dataIds: tf.backend().numDataIds() };
  };
  const before = count();
  const result = body();
  expect(count(), 'tensors, bytes of textures and data ids after').to.deep.equal(before);
  return result;
}

/** Ways for a tensor to lie on the GPU, with these values or others. */
export const PLACES: Record<string, (values: Float32Array, shape: number[]) => tf.Tensor> = {
  'packed by another op': (values, shape) => {
    const x = tf.add(tf.tensor(values, shape), 0);
    expect(dataOf(x).isPacked).to.equal(true);
    return x;
  },
  unpacked: (values, shape) => {
    const x = withFlags({ WEBGL_PACK_BINARY_OPERATIONS: false }, () =>
      tf.add(tf.tensor(values, shape), 0),
    );
    expect([dataOf(x).texture != null, !!dataOf(x).isPacked]).to.deep.equal([true, false]);
    return x;
  },
  'a part of an unpacked texture': (values, shape) => {
    const size = values.length;
    const all = withFlags({ WEBGL_PACK_BINARY_OPERATIONS: false }, () =>
      tf.add(tf.tensor1d([9, 9, 9, ...values, 9]), 0),
    );
    const x = tf.reshape(tf.slice(all, [3], [size]), shape);
    const { slice } = dataOf(x) as { slice?: { flatOffset: number } };
    expect(slice?.flatOffset).to.equal(3);
    return x;
  },
  'packed as a matrix of all rows, and reshaped': (values, shape) => {
    const d = shape[shape.length - 1]!;
    return tf.reshape(tf.add(tf.tensor2d(values, [values.length / d, d]), 0), shape);
  },
  'packed as a vector': (values, shape) => tf.reshape(tf.add(tf.tensor1d(values), 0), shape),
  'packed beside padding that is not 0': (values, shape) => {
    const x = tf.add(tf.tensor(values, shape), 100);
    expect(dataOf(x).isPacked).to.equal(true);
    return x;
  },
};

function dataOf({ dataId }: tf.Tensor) {
  return webglBackend().texData.get(dataId);
}

/**
 * a / b by a shader, where the device's quotient q is replaced by a wrong one, before and after it
 * is corrected.
 */
export function quotients(a: Float32Array, b: Float32Array, wrong: string) {
  const spoilt = QUOTIENT_GLSL.replace('vec4 q = a / b;', `vec4 q = a / b; q = ${wrong};`);
  expect(spoilt).to.not.equal(QUOTIENT_GLSL);
  const run = (result: string) => {
    const webgl = new WebglScope(webglBackend());
    const inputs = [a, b].map((values) => tf.tensor2d(values, [1, values.length]));
    const [A, B] = inputs.map((input) => texelsOf(webgl, input));
    const made = runTexels(webgl, {
      inputs: { A: A!, B: B! },
      shape: [1, 1, a.length],
      userCode: `${FINITE_GLSL}${spoilt}
      void main() {
        ivec2 place = outputTexel();
        vec4 a = texelA(place.x, place.y);
        vec4 b = texelB(place.x, place.y);
        vec4 q = a / b;
        setOutput(${result});
      }`,
    });
    const values = Float32Array.from(webgl.backend.readSync(made.info.dataId));
    webgl.close([]);
    tf.dispose(inputs);
    return values;
  };
  return { corrected: run('quotient(a, b)'), raw: run(wrong) };
}

/** What the passes say, in float64: y, and the texels that are read for one of it. */
export function passesInFloat64(x: Float64Array, plan: HadamardPlan, transpose: boolean) {
  let y = x;
  let fetches = 0;
  for (const pass of hadamardPasses(plan, transpose)) {
    y = passInFloat64(y, pass);
    fetches += pass.radix;
  }
  return { y, fetches };
}

function passInFloat64(x: Float64Array, pass: HadamardPass): Float64Array {
  const { radix, stride, masks, columns, scale } = pass;
  const width = columns === 'dense' ? 2 * radix : radix;
  // columns from one entry of the factor to the next
  const step = columns === 'dense' ? 1 : 2 * stride;
  const sign = (i: number, j: number) => {
    if (masks === null) return parity(i & j);
    const word = masks.words[j * masks.perOutput + (i >> 5)]!;
    return (word >>> (i & 31)) & 1 ? -1 : 1;
  };
  const mixed = x.map((_, c) => {
    const j = Math.floor(c / step) % width;
    let sum = 0;
    for (let i = 0; i < width; i++) sum += sign(i, j) * x[c + (i - j) * step]!;
    return sum * scale;
  });
  if (columns !== 'butterfly') return mixed;
  return mixed.map((v, c) => (c % 2 === 0 ? v + mixed[c + 1]! : mixed[c - 1]! - v));
}

function parity(bits: number): number {
  let sign = 1;
  for (let left = bits; left > 0; left &= left - 1) sign = -sign;
  return sign;
}

/** Codes on WebGL are those of the cpu backend, or next to them: one in a thousand at most. */
export async function expectCodesOfCpu(codes: () => readonly number[]): Promise<void> {
  const here = codes();
  await tf.setBackend('cpu');
  const there = codes();
  await tf.setBackend('webgl');
  const steps = here.map((code, i) => Math.abs(code - there[i]!));
  expect(steps.reduce((max, step) => Math.max(max, step), 0)).to.be.at.most(1);
  expect(steps.filter((step) => step > 0).length).to.be.at.most(here.length / 1000);
}
