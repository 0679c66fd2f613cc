import type { io } from '@tensorflow/tfjs-core';

/** Of a file, at a time. */
const PIECE_BYTES = 4 * 2 ** 20;

/**
 * The bytes of files one after the other, a piece at a time when it is asked for.
 * @param check Throws where nobody wants more.
 * @param read Reads a piece of the file of this number.
 * @param onFile Is told when a file was read.
 */
export function shardStream(
  files: readonly Blob[],
  check: () => void,
  read: (piece: Blob, file: number) => Promise<ArrayBuffer>,
  onFile: (file: number) => void,
): ReturnType<NonNullable<io.ModelArtifacts['getWeightStream']>> {
  let [file, at] = [0, 0];
  const pull = async (controller: ReadableStreamDefaultController<ArrayBuffer>) => {
    check();
    const blob = files[file];
    if (blob === undefined) {
      controller.close();
      return;
    }
    const end = Math.min(at + PIECE_BYTES, blob.size);
    const piece = await read(blob.slice(at, end), file);
    at = end;
    if (at === blob.size) {
      onFile(file);
      [file, at] = [file + 1, 0];
    }
    controller.enqueue(piece);
  };
  // nothing ahead of who reads
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}
