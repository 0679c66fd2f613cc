import type { Tensor } from '@tensorflow/tfjs-core';
import { valuesOf } from '../common/alive.js';
import {
  type GraphOpNode,
  namedInputs,
  numberParam,
  present,
  stringParam,
} from '../common/graphOp.js';
import { describe, HadaNormError, InvalidArgumentError } from '../numerics/errors.js';
import { crc32, PACKING_VERSION } from '../numerics/packing.js';
import { ACTIVATIONS } from './checks.js';
import {
  type Activation,
  type QuantizedMatMulOptions,
  quantizedMatMulContract,
} from './contract.js';
import { quantizedMatMul } from './op.js';

/** Checksums of codes; by data, so that models that share them compute them once. */
const checksums = new WeakMap<object, number>();

/**
 * NodeDef `QuantizedMatMul`: inputs x, codes, then scale unless bits is 32, then xScale and
 * xZeroPoint if hasCodes, bias if hasBias, residual if hasRest, coefficients and basis if hasBasis,
 * basisScale if hasBasisScale, along and directionWeights if hasDirections, directionScale if
 * hasDirectionsScale (all b); attributes bits, groupSize, d, n, version, checksum, and if hasCodes
 * xBits and xGroupSize (i), activation (s: none, gelu, geluTanh, silu or relu, in any case).
 * Output y.
 */
export function quantizedMatMulGraphOp(node: GraphOpNode): Tensor {
  const op = quantizedMatMulContract.kernelName;
  const integer = (name: string) => numberParam(op, node, name) ?? Number.NaN;
  checkVersion(op, node);
  const bits = integer('bits');
  const { x, codes, scale, xScale, xZeroPoint, ...rows } = namedInputs(
    quantizedMatMulContract,
    node,
  );
  checkCodes(op, node, codes!);
  const weights = {
    codes: codes!,
    scale,
    bits,
    groupSize: integer('groupSize'),
    shape: [integer('d'), integer('n')] as const,
  };
  const input =
    xScale === undefined
      ? x!
      : {
          codes: x!,
          scale: xScale,
          zeroPoint: xZeroPoint!,
          bits: integer('xBits'),
          groupSize: integer('xGroupSize'),
        };
  const activation = activationAttr(op, node);
  return quantizedMatMul(input, weights, present<QuantizedMatMulOptions>({ ...rows, activation }));
}

function activationAttr(op: string, node: GraphOpNode): Activation | undefined {
  const name = stringParam(op, node, 'activation');
  if (name === undefined) return undefined;
  const activation = ACTIVATIONS.find((known) => known.toLowerCase() === name);
  if (activation !== undefined) return activation;
  const wanted = `one of ${ACTIVATIONS.join(', ')}`;
  throw new InvalidArgumentError(op, 'attribute activation', wanted, name);
}

function checkVersion(op: string, node: GraphOpNode): void {
  const version = numberParam(op, node, 'version') ?? PACKING_VERSION;
  if (version === PACKING_VERSION) return;
  const found = `node ${describe(node.node?.name)} has weights packed in version ${version}`;
  const problem = `${found}, this is version ${PACKING_VERSION}.`;
  const wayOut =
    version > PACKING_VERSION ? 'Update tfjs-hadanorm.' : 'Quantize the original model again.';
  throw new HadaNormError(op, `${problem} ${wayOut}`);
}

/** A file that was altered gives an error at its first run and not noise. */
function checkCodes(op: string, node: GraphOpNode, codes: Tensor): void {
  const checksum = numberParam(op, node, 'checksum');
  if (checksum === undefined || codes.dtype !== 'bool') return;
  const found = checksums.get(codes.dataId) ?? crc32(valuesOf<'bool'>(op, codes));
  checksums.set(codes.dataId, found);
  if (found !== checksum) {
    const what = `the packed weights of node ${describe(node.node?.name)}`;
    const problem = `${what} have the checksum ${found}, ${checksum} was saved.`;
    throw new HadaNormError(op, `${problem} The file was altered: get it again.`);
  }
}
