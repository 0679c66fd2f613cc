import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WasmModule } from '../wasm/module.js';
import {
  alongScratchBytes,
  NR,
  paddedDirectionsBytes,
  type QuantizedRows,
  takenDirectionsBytes,
} from '../wasm/records.js';
import { grainOf } from '../wasm/rows.js';
import type { HadaNormQuantizeAttrs } from './contract.js';

/** What the kernel of the rows is told of directions. */
export type DirectionFields = Pick<
  QuantizedRows,
  'directions' | 'taken' | 'rank' | 'paddedRank' | 'meanAlong' | 'along'
>;

/** Nothing goes along. */
export const NO_DIRECTIONS: DirectionFields = {
  directions: 0,
  taken: 0,
  rank: 0,
  paddedRank: 0,
  meanAlong: 0,
  along: 0,
};

/**
 * V as the kernels read it, and where what goes along belongs; of the residual it is taken out
 * here.
 */
export function directionFields(
  module: WasmModule,
  vectors: TensorInfo,
  { subtract }: HadaNormQuantizeAttrs,
  along: TensorInfo,
  residual: TensorInfo | undefined,
): DirectionFields {
  const [d, rank] = vectors.shape as [number, number];
  const paddedRank = Math.ceil(rank / NR) * NR;
  const fields = {
    directions: padded(module, vectors, paddedRank),
    taken: subtract === true ? turned(module, vectors) : 0,
    rank,
    paddedRank,
    along: module.addressOf(along),
  };
  if (residual === undefined) return { ...fields, meanAlong: 0 };
  const samples = residual.shape[0]!;
  const meanAlong = module.scratch(4 * samples * rank);
  const { directions, taken } = fields;
  const args = [module.addressOf(residual), d, directions, taken, rank, paddedRank, meanAlong];
  const scratchBytes = alongScratchBytes(d, paddedRank, 0);
  module.run('splitRows', args, samples, { grain: grainOf(d * rank), scratchBytes });
  return { ...fields, meanAlong };
}

/** As they are where their rows are whole panels. */
function padded(module: WasmModule, vectors: TensorInfo, paddedRank: number): number {
  const [d, rank] = vectors.shape as [number, number];
  if (paddedRank === rank) return module.addressOf(vectors);
  const to = module.scratch(paddedDirectionsBytes(d, paddedRank));
  const args = [module.addressOf(vectors), rank, paddedRank, to];
  module.run('padDirections', args, d, { grain: grainOf(paddedRank) });
  return to;
}

function turned(module: WasmModule, vectors: TensorInfo): number {
  const [d, rank] = vectors.shape as [number, number];
  const to = module.scratch(takenDirectionsBytes(d, rank));
  const args = [module.addressOf(vectors), d, rank, to];
  module.run('turnDirections', args, Math.ceil(d / NR), { grain: grainOf(NR * rank) });
  return to;
}
