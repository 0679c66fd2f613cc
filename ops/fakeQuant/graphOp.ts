import {
  boolParam,
  dataInputs,
  type GraphOpNode,
  numberParam,
  numbersParam,
  present,
  rangeParam,
  stringParam,
} from '../common/graphOp.js';
import { InvalidArgumentError } from '../numerics/errors.js';
import type { Granularity } from '../numerics/quantization.js';
import { type FakeQuantOptions, fakeQuantContract } from './contract.js';
import { fakeQuant } from './op.js';

/**
 * NodeDef `FakeQuant`: input x; attributes bits (i), symmetric (b), granularity (s: perTensor,
 * perChannel, perToken or perGroup, in any case), axis (i), groupSize (i), rangeMin and rangeMax (f
 * or list of f). Output y.
 */
export function fakeQuantGraphOp(node: GraphOpNode) {
  const op = fakeQuantContract.kernelName;
  const [x] = dataInputs(op, node, 1);
  return fakeQuant(
    x!,
    present<FakeQuantOptions>({
      bits: numberParam(op, node, 'bits'),
      symmetric: boolParam(op, node, 'symmetric'),
      granularity: granularityAttr(op, node),
      range: rangeParam(op, node, numbersParam),
    }),
  );
}

// tfjs-converter lower-cases string attributes
const KINDS = new Map(
  (['perTensor', 'perChannel', 'perToken', 'perGroup'] as const).map((k) => [k.toLowerCase(), k]),
);

function granularityAttr(op: string, node: GraphOpNode): Granularity | undefined {
  const name = stringParam(op, node, 'granularity');
  if (name === undefined) return undefined;
  const kind = KINDS.get(name);
  const axis = numberParam(op, node, 'axis') ?? -1;
  switch (kind) {
    case undefined: {
      const wanted = [...KINDS.values()].join(', ');
      throw new InvalidArgumentError(op, 'attribute granularity', `one of ${wanted}`, name);
    }
    case 'perTensor':
    case 'perToken':
      return { kind };
    case 'perChannel':
      return { kind, axis };
    case 'perGroup':
      // fakeQuant itself says what is wrong with an absent group size
      return { kind, axis, groupSize: numberParam(op, node, 'groupSize') ?? Number.NaN };
    default:
      return kind satisfies never;
  }
}
