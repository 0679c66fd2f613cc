import * as tf from '@tensorflow/tfjs';
import { channelCenter, fakeQuant, hadamardTransform } from 'tfjs-hadanorm';

/** Bits of a quantized linear; null leaves its side in float32. */
export interface Bits {
  readonly weights: number | null;
  readonly activations: number | null;
}

/** No quantization. */
export const FLOAT: Bits = { weights: null, activations: null };

/** Weights that share a scale: so many along the inputs, of one output. */
const GROUP_SIZE = 16;

/**
 * y = (Q((x − μ) H) + μ H) Q(Hᵀ W) + b: a linear that is quantized as HadaNorm does it, for
 * training. The quantizers' gradients are straight-through, and everything else is differentiable.
 * With `FLOAT` it is x W + b.
 *
 * The mean over the tokens passes by the quantizer, one row for each sample.
 *
 * @param x [samples, tokens, d]
 * @param kernel W: [d, n]
 * @param bias b: [n]
 * @returns [samples, tokens, n]
 */
export function hadaNormLinear(
  x: tf.Tensor3D,
  kernel: tf.Tensor2D,
  bias: tf.Tensor1D,
  bits: Bits,
): tf.Tensor3D {
  const [samples, tokens, d] = x.shape;
  const { centered, mean } = channelCenter(x);
  const rotated = hadamardTransform(centered);
  // asymmetric, a scale for each token
  const quantized =
    bits.activations === null ? rotated : fakeQuant(rotated, { bits: bits.activations });
  const whole = tf.add(quantized, hadamardTransform(mean));
  // Hᵀ W = (Wᵀ H)ᵀ: the op works along the last axis
  const weights = tf.transpose(hadamardTransform(tf.transpose(kernel)));
  const codes =
    bits.weights === null
      ? weights
      : fakeQuant(weights, {
          bits: bits.weights,
          symmetric: true,
          granularity: { kind: 'perGroup', axis: 0, groupSize: GROUP_SIZE },
        });
  const y = tf.matMul(tf.reshape(whole, [samples * tokens, d]), codes as tf.Tensor2D);
  return tf.reshape(tf.add(y, bias), [samples, tokens, kernel.shape[1]]);
}

/** What a `HadaNormDense` is made from. */
export interface HadaNormDenseConfig {
  readonly units: number;
  readonly bits: Bits;
  /** Of the kernel's first values. */
  readonly seed: number;
  readonly name?: string;
}

/**
 * `hadaNormLinear` and a ReLU, as a layer of tf.layers: [batch, tokens, d] → [batch, tokens,
 * units].
 */
export class HadaNormDense extends tf.layers.Layer {
  static readonly className = 'HadaNormDense';

  private readonly config: HadaNormDenseConfig;
  private kernel!: tf.LayerVariable; // [d, units]
  private bias!: tf.LayerVariable; // [units]

  constructor(config: HadaNormDenseConfig) {
    super(config.name === undefined ? {} : { name: config.name });
    this.config = config;
  }

  override build(inputShape: tf.Shape): void {
    const { units, seed } = this.config;
    const d = inputShape.at(-1)!;
    const initializer = tf.initializers.heUniform({ seed });
    this.kernel = this.addWeight('kernel', [d, units], 'float32', initializer);
    this.bias = this.addWeight('bias', [units], 'float32', tf.initializers.zeros());
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = (Array.isArray(inputs) ? inputs[0]! : inputs) as tf.Tensor3D;
      const kernel = this.kernel.read() as tf.Tensor2D;
      const bias = this.bias.read() as tf.Tensor1D;
      return tf.relu(hadaNormLinear(x, kernel, bias, this.config.bits));
    });
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return [...inputShape.slice(0, -1), this.config.units];
  }

  /** With these a saved model comes back as it was; tf.layers calls the constructor with them. */
  override getConfig(): tf.serialization.ConfigDict {
    const { units, bits, seed } = this.config;
    return { ...super.getConfig(), units, bits: { ...bits }, seed };
  }
}

// tf.loadLayersModel makes layers by their class names
tf.serialization.registerClass(HadaNormDense);
