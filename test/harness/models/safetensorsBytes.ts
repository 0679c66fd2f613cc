/** A tensor as a safetensors file holds it; its bytes are little-endian. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A safetensors file of the tensors, one after the other. */
export function safetensorsOf(tensors: Readonly<Record<string, StoredTensor>>): Uint8Array {
  let at = 0;
  const header = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const data_offsets = [at, at + bytes.length];
    at += bytes.length;
    return [name, { dtype, shape, data_offsets }];
  });
  const data = Object.values(tensors).flatMap(({ bytes }) => [...bytes]);
  return withHeader(JSON.stringify(Object.fromEntries(header)), Uint8Array.from(data));
}

/** A file with any header and any data. */
export function withHeader(header: string | Uint8Array, data: Uint8Array): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(text.length), true);
  return Uint8Array.from([...new Uint8Array(length.buffer), ...text, ...data]);
}

/** The bytes of numbers, `size` each, by a setter of DataView. */
export function bytesOf(
  values: Iterable<number>,
  size: 2 | 4,
  set: 'setUint16' | 'setFloat32',
): Uint8Array {
  const all = [...values];
  const view = new DataView(new ArrayBuffer(size * all.length));
  for (const [i, value] of all.entries()) view[set](i * size, value, true);
  return new Uint8Array(view.buffer);
}
