// What an attention is told, and where a thread works on it; ops/scaledDotProductAttention/wasm.ts
// writes the record, 4 bytes a field.

/** Queries of a block: their scores against a block of keys stay in L1. */
export const QUERIES: i32 = 16;

/** Keys of a block. */
export const KEYS: i32 = 256;

/**
 * Bytes between two queries' scores: rows a power of two apart would fall on the same cache lines.
 */
export const SCORE_ROW: usize = 4 * 256 + 64;

/** Rows in a tile, columns in a panel. */
export const MR: i32 = 4;
export const NR: i32 = 8;

/** Addresses and strides in bytes; a stride of 0 reads the same again. */
@unmanaged
export class Attention {
  q: usize; // [b, h, queries, channels], channels side by side
  k: usize; // [b, h, keys, channels]
  v: usize; // [b, h, keys, valueChannels]
  mask: usize; // [b, h, queries, keys]; 0 for none
  out: usize; // [b, h, queries, valueChannels]
  heads: i32; // h
  queries: i32;
  keys: i32;
  channels: i32;
  valueChannels: i32;
  blocks: i32; // of queries, per head
  scale: f32;
  qSample: i32;
  qHead: i32;
  qToken: i32;
  kSample: i32;
  kHead: i32;
  kToken: i32;
  vSample: i32;
  vHead: i32;
  vToken: i32;
  outSample: i32;
  outHead: i32;
  outToken: i32;
  maskSample: i32;
  maskHead: i32;
  maskQuery: i32;
  maskKey: i32; // 4, or 0
}

/** A thread's scratch. */
@unmanaged
export class Work {
  keys: usize; // of a head: [⌈keys / 8⌉][channels][8]
  values: usize; // of a head: [⌈valueChannels / 8⌉][keys][8]
  queries: usize; // of a block, scaled: [tiles][channels][4]
  scores: usize; // [queries][SCORE_ROW]
  sums: usize; // Σ weight · value: [⌈valueChannels / 8⌉][queries][8]
  most: usize; // the largest score so far, [queries]
  totals: usize; // Σ weight, [queries]
}

/** Bytes of the pointers above, up to the next multiple of 16. */
const HEADER: usize = 32;

/**
 * Places a thread's arrays in its scratch: as long as `scratchBytes` of
 * ops/scaledDotProductAttention/wasm.ts says.
 */
export function placeWork(at: usize, a: Attention): Work {
  const work = changetype<Work>(at);
  const panels = <usize>((a.valueChannels + 7) >> 3);
  work.keys = at + HEADER;
  work.values = work.keys + ((<usize>((a.keys + 7) >> 3) * <usize>a.channels) << 5);
  work.queries = work.values + ((panels * <usize>a.keys) << 5);
  work.scores = work.queries + (<usize>(QUERIES * a.channels) << 2);
  work.sums = work.scores + <usize>QUERIES * SCORE_ROW;
  work.most = work.sums + ((panels * <usize>QUERIES) << 5);
  work.totals = work.most + (<usize>QUERIES << 2);
  return work;
}
