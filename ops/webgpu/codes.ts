import type { TensorInfo } from '@tensorflow/tfjs-core';
import { attach, findAttached } from './attached.js';
import type { WebgpuBackend } from './backend.js';
import { lazyInfo } from './lazy.js';
import { WebgpuScope } from './scope.js';
import type { Shader } from './shader.js';

/**
 * Codes [rows, d] in the order in which products load them: words of 4 neighbouring channels, [⌈d /
 * 4⌉, rows padded to a multiple of 4], the first channel in the lowest byte; a byte is the code
 * less `codeCenter`, signed. Channels beyond d are 0.
 */
export interface CodeWords {
  readonly info: TensorInfo; // int32 [words, paddedRows]
  readonly rows: number;
  readonly paddedRows: number;
}

/** What packed bytes are less than codes: so all of 8 bits are signed bytes. */
export function codeCenter(bits: number): number {
  return 2 ** (bits - 1);
}

const KEY = 'code words';

/** Rows padded to whole vectors of four. */
export function paddedRows(rows: number): number {
  return 4 * Math.ceil(rows / 4);
}

/** The shape of the words of codes [rows, d]. */
export function wordsShape(rows: number, d: number): [number, number] {
  return [Math.ceil(d / 4), paddedRows(rows)];
}

/**
 * Codes as tfjs has them, int32 of a shape [..., d], that exist on the GPU as words only, until
 * somebody else looks.
 */
export function codesFromWords(
  webgpu: WebgpuScope,
  words: TensorInfo,
  shape: readonly number[],
  bits: number,
): TensorInfo {
  const { backend, op } = webgpu;
  const d = shape[shape.length - 1]!;
  const rows = shape.reduce((size, length) => size * length, 1) / d;
  const codes = lazyInfo(backend, shape, 'int32', (self) => {
    const scope = new WebgpuScope(backend, op);
    const out = scope.keep(scope.make([rows, d], 'int32'));
    const from = findAttached(backend, self, keyOf(bits))!;
    scope.run(
      unpackShader,
      { center: codeCenter(bits) },
      {
        reads: [from],
        writes: [out],
        sizes: [rows, d, paddedRows(rows)],
        groups: Math.ceil((rows * d) / INVOCATIONS),
      },
    );
    return out;
  });
  attach(backend, codes, keyOf(bits), webgpu.keep(words));
  return webgpu.track(codes);
}

/** The words of codes [rows, d]: those they were made from, or packed once. */
export function wordsOf(
  webgpu: WebgpuScope,
  codes: TensorInfo,
  rows: number,
  d: number,
  bits: number,
): CodeWords {
  const { backend } = webgpu;
  const known = findAttached(backend, codes, keyOf(bits));
  const padded = paddedRows(rows);
  if (known !== undefined) return { info: known, rows, paddedRows: padded };
  const shape = wordsShape(rows, d);
  const info = webgpu.make(shape, 'int32');
  webgpu.run(
    packShader,
    { center: codeCenter(bits) },
    {
      reads: [codes],
      writes: [info],
      sizes: [rows, d, padded],
      groups: Math.ceil((shape[0] * padded) / INVOCATIONS),
    },
  );
  attach(backend, codes, keyOf(bits), webgpu.keep(info));
  return { info, rows, paddedRows: padded };
}

function keyOf(bits: number): string {
  return `${KEY} ${bits}`;
}

/** Whether codes are on the GPU as words. */
export function hasWords(backend: WebgpuBackend, codes: TensorInfo, bits: number): boolean {
  return findAttached(backend, codes, keyOf(bits)) !== undefined;
}

const INVOCATIONS = 64;

/** An invocation packs the word of four channels of a row. */
const packShader: Shader<{ center: number }> = {
  name: 'packCodes',
  build: ({ center }) => ({
    reads: { codes: 'i32' },
    writes: { words: 'u32' },
    sizes: ['rows', 'd', 'padded'],
    invocations: INVOCATIONS,
    workgroupBytes: 0,
    code: `
fn run(lid: u32, group: u32) {
  let at = group * ${INVOCATIONS}u + lid;
  if (at >= arrayLength(&words)) { return; }
  let row = at % sizes.padded;
  let first = 4u * (at / sizes.padded);
  var word = 0u;
  for (var i = 0u; i < 4u; i++) {
    let k = first + i;
    if (row < sizes.rows && k < sizes.d) {
      let byte = codes[row * sizes.d + k] - ${center};
      word |= (bitcast<u32>(byte) & 0xffu) << (8u * i);
    }
  }
  words[at] = word;
}`,
  }),
};

const unpackShader: Shader<{ center: number }> = {
  name: 'unpackCodes',
  build: ({ center }) => ({
    reads: { words: 'u32' },
    writes: { codes: 'i32' },
    sizes: ['rows', 'd', 'padded'],
    invocations: INVOCATIONS,
    workgroupBytes: 0,
    code: `
fn run(lid: u32, group: u32) {
  let at = group * ${INVOCATIONS}u + lid;
  if (at >= arrayLength(&codes)) { return; }
  let row = at / sizes.d;
  let k = at - row * sizes.d;
  let word = words[(k / 4u) * sizes.padded + row];
  let byte = bitcast<i32>(word << (24u - 8u * (k % 4u))) >> 24u;
  codes[at] = byte + ${center};
}`,
  }),
};
