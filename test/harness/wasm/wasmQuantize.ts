import type * as tf from '@tensorflow/tfjs';
import { channelCenterOnWasm } from '../../../ops/channelCenter/wasm.js';
import { fakeQuantOnWasm } from '../../../ops/fakeQuant/wasm.js';
import { hadamardTransformOnWasm } from '../../../ops/hadamardTransform/wasm.js';
import type {
  HadaNormQuantizeAttrs,
  HadaNormQuantizeInputs,
} from '../../../ops/hadaNormQuantize/contract.js';
import { hadaNormQuantizeOnWasm } from '../../../ops/hadaNormQuantize/wasm.js';
import type { Granularity } from '../../../ops/numerics/quantization.js';
import { normal } from '../numbers/random.js';
import { GuardedWasm, type GuardOptions } from './guardedWasm.js';

/** A call of HadaNormQuantize, and what its numbers are like. */
export interface Quantization {
  readonly samples: number;
  readonly tokens: number; // of a sample
  readonly d: number;
  readonly attrs: HadaNormQuantizeAttrs;
  readonly scaled: boolean;
  readonly mean: boolean; // always where center is 'static'
  readonly rank: number; // 0 unless center is 'dynamic'
  readonly alongRank: number; // of the directions; 0 for none
  readonly std: number;
  readonly odd: readonly (readonly [at: number, value: number])[]; // put into x
  readonly seed: number;
}

/** Its inputs. */
export interface QuantizationNumbers {
  readonly x: Float32Array; // [samples, tokens, d]
  readonly scale?: Float32Array; // [d]
  readonly mean?: Float32Array; // [d]
  readonly basis?: Float32Array; // [rank, d]
  readonly directions?: Float32Array; // [d, alongRank]
}

/** What the kernel gives, everything but the means [samples · tokens] rows. */
export interface Quantized {
  readonly codes: Uint8Array; // [rows, d]
  readonly scale: Float32Array; // [rows, groups]
  readonly zeroPoint: Float32Array; // [rows, groups]
  readonly residual: Float32Array; // [samples, d]; none: empty
  readonly coefficients: Float32Array; // [samples, rank]; none: empty
  readonly along: Float32Array; // [rows, alongRank]; none: empty
}

/**
 * The same numbers at every call: channels with means of their own, and with scales of their own.
 */
export function quantizationNumbers(given: Quantization): QuantizationNumbers {
  const { samples, tokens, d, scaled, mean, rank, alongRank, std, seed } = given;
  const spread = 1 / Math.sqrt(d);
  const means = normal(d, seed, 0, 3 * std);
  const x = normal(samples * tokens * d, seed + 1, 0, std).map((v, i) => v + means[i % d]!);
  for (const [at, value] of given.odd) x[at % x.length] = value;
  return {
    x,
    ...(scaled ? { scale: normal(d, seed + 2).map((v) => 0.5 + Math.abs(v)) } : {}),
    ...(mean ? { mean: normal(d, seed + 3, 0, std) } : {}),
    ...(rank > 0 ? { basis: normal(rank * d, seed + 4, 0, spread) } : {}),
    ...(alongRank > 0 ? { directions: normal(d * alongRank, seed + 5, 0, spread) } : {}),
  };
}

/** The kernel on guarded memory, cut at `cuts`. */
export function quantize(
  { samples, tokens, d, attrs, rank, alongRank }: Quantization,
  { x, scale, mean, basis, directions }: QuantizationNumbers,
  cuts: readonly number[],
  options: GuardOptions = {},
): Quantized {
  const run = (module: GuardedWasm): Quantized => {
    const place = (shape: number[], values: Float32Array | undefined) =>
      values === undefined ? undefined : (module.input({ shape, values }) as tf.Tensor);
    const inputs: HadaNormQuantizeInputs = {
      x: place([samples, tokens, d], x)!,
      scale: place([d], scale),
      mean: place([d], mean),
      basis: place([rank, d], basis),
      directions: place([d, alongRank], directions),
    };
    const outputs = hadaNormQuantizeOnWasm({ inputs, attrs, module });
    const along = alongRank > 0 ? module.valuesOf(outputs.pop()!) : new Float32Array();
    const floats = (i: number) => {
      const output = outputs[i];
      return output === undefined ? new Float32Array() : module.valuesOf(output);
    };
    return {
      codes: module.bytesOf(outputs[0]!),
      scale: floats(1),
      zeroPoint: floats(2),
      residual: floats(3),
      coefficients: floats(4),
      along,
    };
  };
  return GuardedWasm.check(memoryBytes(x), cuts, run, options);
}

/** For x and what is made of it, with groups down to one element. */
function memoryBytes(x: Float32Array): number {
  return 2 ** Math.ceil(Math.log2(800_000 + 40 * x.length));
}

/**
 * x' by ChannelCenter and HadamardTransform, and x' quantized by FakeQuant: the kernels of the
 * unfused ops.
 */
export function chain(
  { samples, tokens, d, attrs }: Quantization,
  { x, scale, mean }: QuantizationNumbers,
): { transformed: Float32Array; quantized: Float32Array } {
  const { format, range, center, blockSize } = attrs;
  return GuardedWasm.check(memoryBytes(x), [], (module) => {
    const place = (shape: number[], values: Float32Array) =>
      module.input({ shape, values }) as tf.Tensor;
    let last: tf.TensorInfo = place([samples, tokens, d], x);
    if (center !== 'none' || scale !== undefined) {
      const nothing = { ...place([], new Float32Array(1)), rank: 0 } as tf.Tensor;
      const scaling =
        scale === undefined ? nothing : ({ ...place([d], scale), rank: 1 } as tf.Tensor);
      const subtracted = center === 'static' ? mean! : new Float32Array(d);
      const repeated = Float32Array.from({ length: samples * d }, (_, i) => subtracted[i % d]!);
      const dynamic = center === 'dynamic';
      const means = dynamic ? undefined : place([samples, 1, d], repeated);
      const inputs = { x: last as tf.Tensor, scale: scaling, mean: means, mask: nothing };
      last = channelCenterOnWasm({ inputs, attrs: { dynamic }, module })[0]!;
    }
    if (blockSize > 0) {
      const rotation = { transpose: false, blockSize };
      last = hadamardTransformOnWasm({ inputs: { x: last as tf.Tensor }, attrs: rotation, module });
    }
    const granularity: Granularity =
      range === null ? { ...format.granularity, axis: 2 } : { kind: 'perTensor' };
    const codes = { format: { ...format, granularity }, range };
    const y = fakeQuantOnWasm({ inputs: { x: last as tf.Tensor }, attrs: codes, module });
    return { transformed: module.valuesOf(last), quantized: module.valuesOf(y) };
  });
}
