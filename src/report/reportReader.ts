import {
  type Reader,
  type ReadFor,
  readArray,
  readBoolean,
  readNullable,
  readObject,
  readOneOf,
  readRecord,
  readString,
  recordOf,
} from '../../ops/common/readers.js';
import { BRANCH_KINDS } from '../quantize/branch.js';
import type {
  Histogram,
  MeasuredRank,
  MeasuredWay,
  Sqnr,
  Treatment,
} from '../quantize/measured.js';
import { ROLES } from '../recognize/role.js';
import { METHODS } from './format.js';
import { readNumber } from './jsonNumbers.js';
import type { EmbeddingReport, LinearReport, QuantizationReport } from './report.js';

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

const PARTS = {
  center: readOneOf(['none', 'static', 'dynamic']),
  scale: readOneOf(['balanced', 'std', 'smoothquant', 'none']),
  rotate: readBoolean,
} as const;

const readParts = readObject<Omit<Treatment, 'branch' | 'lowRank'>>(PARTS);

/** A branch may be absent, as there may be none. */
const readTreatment: Reader<Treatment> = (value, path, by) => {
  const { branch, lowRank } = recordOf(value, path, by);
  return {
    ...readParts(value, path, by),
    ...(branch === undefined ? {} : { branch: readBranch(branch, `${path}.branch`, by) }),
    ...(lowRank === undefined ? {} : { lowRank: readNumber(lowRank, `${path}.lowRank`, by) }),
  };
};

const readBranch = readOneOf(BRANCH_KINDS);

const readFigures = readObject<Pick<MeasuredWay, 'method' | 'output'>>({
  method: readOneOf(METHODS),
  output: readNumber,
});

const readWays = readArray<MeasuredWay>((value, path, by) => ({
  ...readTreatment(value, path, by),
  ...readFigures(value, path, by),
}));

const readRanks = readArray(
  readObject<MeasuredRank>({ lowRank: readNumber, output: readNumber, bytes: readNumber }),
);

const readAlways = readObject<Omit<LinearReport, 'parts' | 'ways' | 'transformOf' | 'atRanks'>>({
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

/** What former versions did not write may be absent. */
const readLinear: Reader<LinearReport> = (value, path, by) => {
  const { parts, ways, transformOf, atRanks } = recordOf(value, path, by);
  return {
    ...readAlways(value, path, by),
    ...(parts === undefined ? {} : { parts: readTreatment(parts, `${path}.parts`, by) }),
    ...(transformOf === undefined
      ? {}
      : { transformOf: readString(transformOf, `${path}.transformOf`, by) }),
    ...(atRanks === undefined ? {} : { atRanks: readRanks(atRanks, `${path}.atRanks`, by) }),
    ...(ways === undefined ? {} : { ways: readWays(ways, `${path}.ways`, by) }),
  };
};

const readFields = readObject<Omit<QuantizationReport, 'notes' | 'embeddings'>>({
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

const readNotes = readArray(readString);

const readEmbeddings = readArray(
  readObject<EmbeddingReport>({
    ...{ name: readString, shape: readShape, bits: readNumber, sqnr: readNumber },
    bytes: readBytes,
  }),
);

/**
 * Reads what `reportJson` wrote, and checks a report that someone made; notes and tables may be
 * absent.
 */
export const readReport: Reader<QuantizationReport> = (value, path, by) => {
  const report = readFields(value, path, by);
  const { notes, embeddings } = recordOf(value, path, by);
  return {
    ...report,
    ...(embeddings === undefined
      ? {}
      : { embeddings: readEmbeddings(embeddings, `${path}.embeddings`, by) }),
    ...(notes === undefined ? {} : { notes: readNotes(notes, `${path}.notes`, by) }),
  };
};

/**
 * A report that a caller gave.
 * @throws InvalidArgumentError that names what is missing or of a wrong type.
 */
export function reportGiven(op: string, report: unknown): QuantizationReport {
  return readReport(report, 'report', {
    op,
    wayOut: 'Take what rewriteGraph or parseReport gave.',
  });
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
