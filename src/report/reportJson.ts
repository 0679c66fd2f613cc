import {
  type Reader,
  type ReadFor,
  readArray,
  readNullable,
  readObject,
  readOneOf,
  readRecord,
  readString,
} from '../../ops/common/readers.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { Histogram, Sqnr } from '../quantize/measured.js';
import { ROLES } from '../recognize/role.js';
import { METHODS } from './format.js';
import { encodeNumber, readNumber } from './jsonNumbers.js';
import type { LinearReport, QuantizationReport } from './report.js';

const VERSION = 1;

const readBytes = readObject<LinearReport['bytes']>({ before: readNumber, after: readNumber });

const readSqnr = readObject<Sqnr>({
  activations: readNumber,
  weights: readNumber,
  output: readNumber,
});

const readCompared = readRecord(METHODS, readSqnr);

const readChannels = readObject<NonNullable<LinearReport['channels']>>({
  before: readHistogram,
  after: readHistogram,
});

const readLinear = readObject<LinearReport>({
  name: readString,
  role: readOneOf(ROLES),
  shape: readShape,
  treatment: readOneOf(['transformed', 'weightOnly', 'untouched']),
  method: readNullable(readOneOf(METHODS)),
  weightBits: readNullable(readNumber),
  activationBits: readNullable(readNumber),
  rounding: readNullable(readOneOf(['nearest', 'gptq'])),
  execution: readOneOf(['integer', 'simulated', 'float']),
  reason: readString,
  bytes: readBytes,
  sqnr: readNullable(readSqnr),
  compared: readCompared,
  at8Bits: readNullable(readObject({ output: readNumber, bytes: readNumber })),
  byTimestep: readArray(readObject({ timestep: readNumber, output: readNumber })),
  channels: readNullable(readChannels),
});

const readReport = readObject<QuantizationReport>({
  version: readOneOf([VERSION]),
  method: readOneOf([...METHODS, 'auto']),
  linears: readArray(readLinear),
  totals: readObject<QuantizationReport['totals']>({
    sqnr: readNullable(readSqnr),
    compared: readCompared,
    linearBytes: readBytes,
    modelBytes: readBytes,
  }),
});

/**
 * A quantization report as JSON, for `parseReport`. Every number survives: those that JSON has no
 * literal for are written as the strings `"Infinity"`, `"-Infinity"`, `"NaN"` and `"-0"`. Plain
 * `JSON.stringify` would make them null or 0.
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
  return JSON.stringify(report, encode, 2);
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

function readShape(value: unknown, path: string, by: ReadFor): readonly [number, number] {
  const [d, n] = readArray(readNumber, 2)(value, path, by);
  return [d!, n!];
}

/** Checks too that there is one edge more than counts. */
function readHistogram(value: unknown, path: string, by: ReadFor): Histogram {
  const read: Reader<Histogram> = readObject<Histogram>({
    edges: readArray(readNumber),
    counts: readArray(readNumber),
  });
  const histogram = read(value, path, by);
  const { length } = histogram.edges;
  readArray(readNumber, Math.max(0, length - 1))(histogram.counts, `${path}.counts`, by);
  return histogram;
}
