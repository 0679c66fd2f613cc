import { util } from '@tensorflow/tfjs-core';
import type { Graph } from '../graph/ir.js';
import { weightBytes } from '../graph/weights.js';
import type { PlacedLinear } from '../recognize/analysis.js';
import type { EmbeddingReport, LinearReport, QuantizationReport } from '../report/report.js';
import { totalsOf } from '../report/totals.js';
import { untouchedReport } from './reporting.js';

/** The report of a whole rewrite; `reports` by name of the linears that were quantized. */
export function modelReport(
  method: QuantizationReport['method'],
  linears: readonly PlacedLinear[],
  reports: ReadonlyMap<string, LinearReport>,
  before: Graph,
  after: Graph,
  embeddings: readonly EmbeddingReport[],
  notes: readonly string[],
): QuantizationReport {
  const all = linears.map(
    (placed) => reports.get(placed.linear.name) ?? untouchedReport(placed, after),
  );
  const modelBytes = { before: unpackedBytes(before), after: storedBytes(after) };
  return {
    ...{ version: 1, method, linears: all, totals: totalsOf(all, modelBytes) },
    ...(embeddings.length === 0 ? {} : { embeddings }),
    ...(notes.length === 0 ? {} : { notes }),
  };
}

/** As the file stores them. */
function storedBytes({ weights }: Graph): number {
  return [...weights.values()].reduce((sum, weight) => sum + weightBytes(weight), 0);
}

/** In the dtypes that they are computed in, however few bits the file has. */
function unpackedBytes({ weights }: Graph): number {
  return [...weights.values()].reduce((sum, { spec }) => {
    return sum + util.sizeFromShape(spec.shape) * (spec.dtype === 'bool' ? 1 : 4);
  }, 0);
}
