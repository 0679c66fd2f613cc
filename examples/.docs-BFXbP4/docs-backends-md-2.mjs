import * as tf from "@tensorflow/tfjs";
async function renew(name) {
  const factory = tf.findBackendFactory(name);
  tf.removeBackend(name);
  tf.registerBackend(name, factory);
  await tf.setBackend(name);
}
await tf.ready();
await renew(tf.getBackend());
