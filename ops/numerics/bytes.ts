// Typed arrays in memory of their own, which a Blob takes as they are: Uint8Array<ArrayBuffer>, in
// a spelling that TypeScript before 5.7 reads too, where typed arrays are not generic yet.

/** Bytes in memory of their own. */
export type Bytes = ReturnType<typeof Uint8Array.of>;

/** Bits of half floats, in memory of their own. */
export type HalfBits = ReturnType<typeof Uint16Array.of>;

/** Numbers in memory of their own. */
export type Floats = ReturnType<typeof Float32Array.of>;
