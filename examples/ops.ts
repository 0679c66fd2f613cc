/**
 * The three ops on eager tensors: what each does to a token with an outlier.
 *
 * Run: npx tsx examples/ops.ts
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import {
  channelCenter,
  FAKE_QUANT_DEFAULTS,
  fakeQuant,
  HadamardSizeError,
  hadamardRow,
  hadamardTransform,
  supportMatrix,
} from 'tfjs-hadanorm';
import 'tfjs-hadanorm/chained';

await tf.setBackend('wasm');
await tf.ready();

// 2 tokens, 8 channels; channel 0 is far from the others, as in the residual stream of a large DiT
const x = tf.tensor2d([
  [50, 1, -1, 2, 0.5, -2, 1, -0.5],
  [52, -1, 1, 0, -0.5, 2, -1, 0.5],
]);

tf.tidy(() => {
  const error = (approximate: tf.Tensor) =>
    tf
      .sqrt(tf.mean(tf.squaredDifference(x, approximate)))
      .dataSync()[0]!
      .toFixed(4);
  const fourBits = { bits: 4 };

  console.log(`4 bits as it is:                   error ${error(fakeQuant(x, fourBits))}`);

  const { centered, mean } = channelCenter(x);
  const hadaNorm = fakeQuant(hadamardTransform(centered), fourBits);
  const back = tf.add(hadamardTransform(hadaNorm, { transpose: true }), mean);
  console.log(`4 bits after centering and rotation: error ${error(back)}`);

  // the same with the methods that `tfjs-hadanorm/chained` adds to tensors
  const chained = centered
    .hadamardTransform()
    .fakeQuant(fourBits)
    .hadamardTransform({ transpose: true })
    .add(mean);
  console.log(`chained, the same:                  error ${error(chained)}`);

  // straight-through gradients: train a weight through its own quantizer
  const gradient = tf.grad((w: tf.Tensor) => fakeQuant(w, { bits: 4, range: { min: -2, max: 2 } }));
  console.log(
    `gradient of row 0: ${gradient(tf.slice(x, 0, 1)).dataSync()} (50 is outside the range)`,
  );
});

console.log(`fakeQuant's defaults: ${JSON.stringify(FAKE_QUANT_DEFAULTS)}`);
console.log(`row 1 of the matrix of size 4: ${hadamardRow(4, 1)}`);

// widths without a Hadamard matrix get an error that says what would do
try {
  hadamardTransform(tf.zeros([1150]));
} catch (error) {
  if (!(error instanceof HadamardSizeError)) throw error;
  console.log(`${error.message} (blockSize ${error.blockSize}, pad to ${error.padTo})`);
}

for (const { op, backends } of supportMatrix()) {
  console.log(
    `${op}: ${Object.entries(backends)
      .map(([name, kind]) => `${name} ${kind}`)
      .join(', ')}`,
  );
}
x.dispose();
