import type { ByteFile, ByteFiles } from './byteFiles.js';

/** Files of a page: of an `<input type="file" multiple>`, or dropped on it. */
export function blobFiles(files: readonly File[]): ByteFiles {
  const byName = new Map(files.map((file) => [file.name, file]));
  return {
    place: 'the files given',
    list: async () => [...byName.keys()],
    open: async (name) => {
      const file = byName.get(name);
      return file === undefined ? null : blobFile(file);
    },
  };
}

function blobFile(blob: Blob): ByteFile {
  return {
    size: blob.size,
    anywhere: true,
    read: async (begin, end) => new Uint8Array(await blob.slice(begin, end).arrayBuffer()),
    idle: async () => {},
    close: async () => {},
  };
}
