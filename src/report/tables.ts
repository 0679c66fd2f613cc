import { formatBytes, formatDb, printable } from './format.js';
import type { QuantizationReport } from './report.js';

/** A line for each table of embeddings that was quantized: `words: 1001 × 384 in 8 bits, …`. */
export function tableLines({ embeddings = [] }: QuantizationReport): string[] {
  return embeddings.map(({ name, shape: [rows, d], bits, sqnr, bytes }) => {
    const size = `${formatBytes(bytes.before)} to ${formatBytes(bytes.after)}`;
    return `${printable(name)}: ${rows} × ${d} in ${bits} bits, ${formatDb(sqnr)} dB, ${size}`;
  });
}
