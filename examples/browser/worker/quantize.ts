import type { GraphModel } from '@tensorflow/tfjs-converter';
import {
  type CalibrationStats,
  quantizedFiles,
  type RewriteResult,
  rewriteGraphAsync,
} from 'tfjs-hadanorm';
import { parseBits, shippedOptions } from '../../../src/cli/values.js';
import type { PackedFile } from '../shared/protocol.js';
import { type RunContext, tellFigures, tellStage } from './context.js';

/**
 * Quantizes a model as its column has it, which stays as it is, and lends what came out.
 *
 * @param stats Null: without; rounding to nearest needs none.
 */
export async function quantize<T>(
  context: RunContext,
  column: 'rtn' | 'small',
  model: GraphModel,
  stats: CalibrationStats | null,
  use: (made: RewriteResult) => Promise<T>,
): Promise<T> {
  const { bits, method } = context.settings;
  const stage = `quantize ${column}` as const;
  tellStage(context, stage, 0);
  const made = await rewriteGraphAsync(model, {
    ...shippedOptions(parseBits(bits)!, column === 'rtn' ? 'rtn' : method),
    compare: false,
    ...(stats === null ? {} : { stats }),
    signal: context.signal,
    onProgress: ({ done, total }) => tellStage(context, stage, done / total),
  });
  try {
    const { sqnr } = made.report.totals;
    if (sqnr !== null) tellFigures(context, column, { sqnr: sqnr.output });
    return await use(made);
  } finally {
    made.model.dispose();
  }
}

/** A quantized model's files, and their bytes together. */
export async function fileBytesOf(
  model: GraphModel,
): Promise<{ files: PackedFile[]; bytes: number }> {
  const files = [...(await quantizedFiles(model))].map(([name, bytes]) => ({ name, bytes }));
  return { files, bytes: files.reduce((sum, { bytes }) => sum + bytes.length, 0) };
}
