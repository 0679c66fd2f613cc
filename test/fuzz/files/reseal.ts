import { crc32 } from '../../../ops/numerics/packing.js';
import type { ModelFile } from './mutateModel.js';

const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  ...{ float32: 4, int32: 4, bool: 1, complex64: 8 },
};
const STORED_BYTES: Readonly<Record<string, number>> = { uint8: 1, uint16: 2, float16: 2 };

/**
 * Gives a changed file the checksums and the length that its contents have, as far as they can be
 * told: what reads it comes to what lies behind them.
 */
export function reseal(file: ModelFile): void {
  const pieces = piecesOf(file);
  const wanted = pieces.reduce((sum, { bytes }) => sum + bytes, 0);
  if (wanted !== file.data.length && wanted < 2 ** 22) {
    const data = new Uint8Array(wanted);
    data.set(file.data.subarray(0, wanted));
    file.data = data;
  }
  const checksums = new Map<string, number>();
  let at = 0;
  const weights = pieces.map(({ name, bytes }) => {
    const checksum = crc32(file.data.subarray(at, at + bytes));
    checksums.set(name, checksum);
    at += bytes;
    return checksum;
  });
  sealNodes(file, checksums);
  const { signature, modelInitializer, initializerSignature, userDefinedMetadata } = file.rest;
  const parts = [file.topology, file.specs, signature, modelInitializer, initializerSignature];
  const text = JSON.stringify(parts);
  const metadata = userDefinedMetadata as { hadanorm?: Record<string, unknown> } | undefined;
  const hadanorm = metadata?.hadanorm;
  if (hadanorm === null || typeof hadanorm !== 'object') return;
  hadanorm.topology = crc32(new TextEncoder().encode(text));
  hadanorm.weights = weights;
}

function piecesOf({ specs }: ModelFile): { name: string; bytes: number }[] {
  return specs.map((spec) => {
    const { name, shape, dtype, quantization } = (spec ?? {}) as unknown as {
      name: string;
      shape: unknown;
      dtype: string;
      quantization?: { dtype?: string };
    };
    const size = Array.isArray(shape)
      ? shape.reduce((product: number, length) => product * Number(length), 1)
      : 0;
    const each = STORED_BYTES[quantization?.dtype ?? ''] ?? ELEMENT_BYTES[dtype] ?? 0;
    const bytes = size * each;
    return { name, bytes: Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : 0 };
  });
}

/** Products say the checksum of their own codes, their second input. */
function sealNodes({ topology }: ModelFile, checksums: ReadonlyMap<string, number>): void {
  const nodes = Array.isArray(topology.node) ? topology.node : [];
  for (const node of nodes) {
    if (node?.op !== 'QuantizedMatMul' || !Array.isArray(node.input)) continue;
    const checksum = checksums.get(`${node.input[1]}`);
    const { attr } = node;
    if (checksum === undefined || attr === null || typeof attr !== 'object') continue;
    if (attr.checksum !== undefined) attr.checksum = { i: `${checksum}` };
  }
}
