import * as tf from '@tensorflow/tfjs';

/** What a save handler is given. */
export async function savedBy(
  save: (handler: tf.io.IOHandler) => Promise<unknown>,
): Promise<tf.io.ModelArtifacts> {
  let saved: tf.io.ModelArtifacts | undefined;
  const handler = tf.io.withSaveHandler(async (artifacts) => {
    // weights are read when asked for: while it is saved, as any handler does
    saved = { ...artifacts };
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  });
  await save(handler);
  if (saved === undefined) throw new Error('the handler was not called');
  return saved;
}
