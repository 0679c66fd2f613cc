import Table from 'cli-table3';
import type { QuantizationReport } from 'tfjs-hadanorm';
import type { Likeness } from '../../models/likeness.js';

/** A model beside the original. */
export interface ModelFigures {
  readonly name: string;
  /** Of its rewrite; null for the original. */
  readonly report: QuantizationReport | null;
  /** Of its pictures to the original's; null for the original. */
  readonly likeness: Likeness | null;
  /** Median time of a sampling step, in milliseconds. */
  readonly stepMs: number;
}

/**
 * A table for the console, of the original and what was made of it: mean output SQNR of the linears
 * on the calibration data, PSNR of the pictures (their mean, and the worst), bytes of all weights
 * as saved, and times as shares of the original's.
 */
export function summaryTable([original, ...others]: readonly ModelFigures[]): string {
  const table = new Table({
    head: ['model', 'SQNR of linears', 'PSNR', 'worst', 'size', 'of fp32', 'time of a step'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  const fullBytes = others[0]?.report?.totals.modelBytes.before;
  for (const { name, report, likeness, stepMs } of [original!, ...others]) {
    const bytes = report === null ? fullBytes : report.totals.modelBytes.after;
    table.push([
      name,
      decibels(report?.totals.sqnr?.output),
      decibels(likeness?.mean),
      decibels(likeness?.worst),
      bytes === undefined ? '–' : `${(bytes / 1e6).toFixed(2)} MB`,
      bytes === undefined ? '–' : `${(bytes / fullBytes!).toFixed(3)} ×`,
      `${(stepMs / original!.stepMs).toFixed(2)} ×`,
    ]);
  }
  return table.toString();
}

function decibels(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(1)} dB`;
}
