import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as tf from '@tensorflow/tfjs';

/** Files by name, as `quantizedFiles` gives them. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** A load handler for a folder's files. */
export function fromFiles(files: Files): tf.io.IOHandler {
  return {
    load: async () => {
      const bytesOf = (name: string) => {
        const bytes = files.get(name);
        if (bytes === undefined) throw new Error(`there is no file ${name}`);
        return bytes;
      };
      const json = JSON.parse(new TextDecoder().decode(bytesOf('model.json'))) as tf.io.ModelJSON;
      return tf.io.getModelArtifactsForJSON(json, async (manifest) => {
        const shards = manifest.flatMap(({ paths }) => paths).map(bytesOf);
        const specs = manifest.flatMap(({ weights }) => weights);
        return [specs, Uint8Array.from(Buffer.concat(shards)).buffer];
      });
    },
  };
}

/** Runs `body` with the files served over HTTP from a folder's URL. */
export async function withServer(files: Files, body: (url: string) => Promise<void>) {
  const server = createServer(({ url = '/' }, response) => {
    const bytes = files.get(url.slice(1));
    const type = url.endsWith('.json') ? 'application/json' : 'application/octet-stream';
    response.writeHead(bytes === undefined ? 404 : 200, { 'content-type': type });
    response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Bytes that a weight takes in the file. */
export function storedBytesOf({ shape, dtype, quantization }: tf.io.WeightsManifestEntry): number {
  const widths: Readonly<Record<string, number>> = { float16: 2, uint16: 2, uint8: 1, bool: 1 };
  return tf.util.sizeFromShape(shape) * (widths[quantization?.dtype ?? dtype] ?? 4);
}
