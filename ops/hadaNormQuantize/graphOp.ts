import type { Tensor } from '@tensorflow/tfjs-core';
import {
  boolParam,
  dataInputs,
  type GraphOpNode,
  numberParam,
  present,
  stringParam,
} from '../common/graphOp.js';
import { InvalidArgumentError } from '../numerics/errors.js';
import {
  type HadaNormQuantizeOptions,
  hadaNormQuantizeContract,
  type StaticRange,
} from './contract.js';
import { hadaNormQuantize } from './op.js';

/**
 * NodeDef `HadaNormQuantize`: inputs x, then scale if hasScale, mean if hasMean, basis if hasBasis
 * (all b); attributes bits, groupSize and blockSize (i), symmetric (b), centre (s: none, static or
 * dynamic), rangeMin and rangeMax (f). Outputs codes (`name`), scale (`name:1`), zero point
 * (`name:2`), where center is dynamic residual (`name:3`), and with a basis coefficients
 * (`name:4`).
 */
export function hadaNormQuantizeGraphOp(node: GraphOpNode): Tensor[] {
  const op = hadaNormQuantizeContract.kernelName;
  const has = (flag: string, name: string) => (boolParam(op, node, flag) === true ? [name] : []);
  const names = ['x', ...has('hasScale', 'scale'), ...has('hasMean', 'mean')];
  names.push(...has('hasBasis', 'basis'));
  const tensors = dataInputs(op, node, names.length);
  const given = new Map(names.map((name, i) => [name, tensors[i]!]));
  const options = present<HadaNormQuantizeOptions>({
    bits: numberParam(op, node, 'bits'),
    symmetric: boolParam(op, node, 'symmetric'),
    groupSize: numberParam(op, node, 'groupSize'),
    range: rangeAttr(op, node),
    // hadaNormQuantize itself says what else there is
    center: stringParam(op, node, 'centre') as HadaNormQuantizeOptions['center'],
    scale: given.get('scale'),
    mean: given.get('mean'),
    basis: given.get('basis'),
    blockSize: numberParam(op, node, 'blockSize'),
  });
  const { quantized, residual, coefficients } = hadaNormQuantize(tensors[0]!, options);
  const { codes, scale, zeroPoint } = quantized;
  return [codes, scale, zeroPoint, residual, coefficients].filter((output) => output !== null);
}

function rangeAttr(op: string, node: GraphOpNode): StaticRange | undefined {
  const min = numberParam(op, node, 'rangeMin');
  const max = numberParam(op, node, 'rangeMax');
  if (min === undefined && max === undefined) return undefined;
  if (min !== undefined && max !== undefined) return { min, max };
  const missing = min === undefined ? 'rangeMin' : 'rangeMax';
  throw new InvalidArgumentError(op, `attribute ${missing}`, 'there beside the other one', 'none');
}
