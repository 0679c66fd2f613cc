import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { encodeNumber } from './jsonNumbers.js';
import type { QuantizationReport } from './report.js';
import { readReport, reportGiven } from './reportReader.js';

/**
 * A quantization report as JSON, for `parseReport`. Every number survives: those that JSON has no
 * literal for are written as the strings `"Infinity"`, `"-Infinity"`, `"NaN"` and `"-0"`. Plain
 * `JSON.stringify` would make them null or 0. Fields that the report's type does not have are left
 * out.
 *
 * @throws InvalidArgumentError for what is no report.
 *
 * @example
 * ```ts
 * import { parseReport, reportJson, type QuantizationReport } from 'tfjs-hadanorm';
 *
 * const lossless = { activations: Infinity, weights: Infinity, output: Infinity };
 * const none = { before: 0, after: 0 };
 * const report: QuantizationReport = {
 *   version: 1,
 *   method: 'hadanorm',
 *   linears: [],
 *   totals: { sqnr: lossless, compared: {}, linearBytes: none, modelBytes: none },
 * };
 * console.log(parseReport(reportJson(report)).totals.sqnr); // all Infinity, as before
 * ```
 */
export function reportJson(report: QuantizationReport): string {
  const encode = (_: string, value: unknown) =>
    typeof value === 'number' ? encodeNumber(value) : value;
  // what was read of it: anything may stand beside
  return JSON.stringify(reportGiven('reportJson', report), encode, 2);
}

/**
 * A quantization report from what `reportJson` wrote. Fields that the report's type does not have
 * are left out.
 *
 * @throws InvalidArgumentError for text that is not JSON, another version, and fields that are
 * missing or of a wrong type: its `argument` is the path, such as `report.linears[3].sqnr.output`.
 *
 * @example
 * ```ts
 * import { InvalidArgumentError, parseReport } from 'tfjs-hadanorm';
 *
 * try {
 *   parseReport('{ "version": 2 }');
 * } catch (error) {
 *   if (error instanceof InvalidArgumentError) console.log(error.argument); // report.version
 * }
 * ```
 */
export function parseReport(text: string): QuantizationReport {
  return readReport(parseJson(text), 'report', { op: 'parseReport' });
}

function parseJson(text: string): unknown {
  if (typeof text !== 'string') {
    throw new InvalidArgumentError('parseReport', 'text', 'a string of JSON', describe(text));
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const got = error instanceof SyntaxError ? error.message : describe(error);
    throw new InvalidArgumentError('parseReport', 'text', 'JSON', got);
  }
}
