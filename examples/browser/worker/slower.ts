import type { QuantizationReport } from 'tfjs-hadanorm';

/** What holds of every quantized linear that runs on integers. */
const PREPARED =
  'every linear centers, rotates and quantizes its input first, which costs more here than its ' +
  'product on integers saves';

/**
 * Why a quantized model's step takes longer than the original's, by what its report says of how its
 * linears run.
 *
 * @param report Null for a model that was not quantized here.
 */
export function whySlower(report: QuantizationReport | null): string {
  const transformed = (report?.linears ?? []).filter(({ treatment }) => treatment !== 'untouched');
  const others = transformed.filter(({ execution }) => execution !== 'integer');
  if (others.length === 0) return PREPARED;
  const reasons = [...new Set(others.map(({ reason }) => reason).filter(Boolean))];
  const share = `${others.length} of ${transformed.length}`;
  const which = `${share} quantized linears do not run on integers`;
  return reasons.length === 0 ? which : `${which} (${reasons.join('; ')})`;
}
