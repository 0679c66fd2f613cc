import type { Tensor } from '@tensorflow/tfjs-core';
import { describe, HadaNormError } from '../common/errors.js';
import { boolAttr, dataInputs, type GraphOpNode, numberAttr } from '../common/graphOp.js';
import { crc32, PACKING_VERSION } from '../common/packing.js';
import { type QuantizedMatMulOptions, quantizedMatMul, quantizedMatMulOp } from './op.js';

/** Codes whose checksum was found right; by data, so that models that share them check once. */
const checked = new WeakSet<object>();

/**
 * NodeDef `QuantizedMatMul`: inputs x, codes, then scale unless bits is 32, then bias if hasBias, rest if hasRest,
 * coefficients and basis if hasBasis (all b); attributes bits, groupSize, d, n, version, checksum (i). Output y.
 */
export function quantizedMatMulGraphOp(node: GraphOpNode): Tensor {
  const op = quantizedMatMulOp.kernelName;
  const integer = (name: string) => numberAttr(op, node, name) ?? Number.NaN;
  const version = numberAttr(op, node, 'version') ?? PACKING_VERSION;
  if (version > PACKING_VERSION) {
    const problem = `node ${describe(node.node?.name)} has weights packed in version ${version}, this is version ${PACKING_VERSION}.`;
    throw new HadaNormError(op, `${problem} Update tfjs-hadanorm.`);
  }
  const bits = integer('bits');
  const has = (name: string) => (boolAttr(op, node, name) === true ? 1 : 0);
  const count = 2 + (bits === 32 ? 0 : 1) + has('hasBias') + has('hasRest') + 2 * has('hasBasis');
  const [x, codes, ...more] = dataInputs(op, node, count);
  const scale = bits === 32 ? undefined : more.shift();
  const options: QuantizedMatMulOptions = {};
  if (has('hasBias')) options.bias = more.shift()!;
  if (has('hasRest')) options.rest = more.shift()!;
  if (has('hasBasis')) {
    options.coefficients = more.shift()!;
    options.basis = more.shift()!;
  }
  checkCodes(op, node, codes!);
  const shape = [integer('d'), integer('n')] as const;
  return quantizedMatMul(
    x!,
    { codes: codes!, scale, bits, groupSize: integer('groupSize'), shape },
    options,
  );
}

/** A file that was altered gives an error at its first run and not noise. */
function checkCodes(op: string, node: GraphOpNode, codes: Tensor): void {
  const checksum = numberAttr(op, node, 'checksum');
  if (checksum === undefined || codes.dtype !== 'bool' || checked.has(codes.dataId)) return;
  const found = crc32(codes.dataSync() as Uint8Array);
  if (found !== checksum) {
    const problem = `the packed weights of node ${describe(node.node?.name)} have the checksum ${found}, ${checksum} was saved.`;
    throw new HadaNormError(op, `${problem} The file was altered: get it again.`);
  }
  checked.add(codes.dataId);
}
