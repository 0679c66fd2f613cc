import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { HadaNormError } from '../../../src/index.js';
import { writeWhole } from '../../../src/node/wholeFiles.js';
import type { ConfigurationName } from './configurations.js';
import type { Distances } from './distances.js';
import type { BackendName } from './plan.js';
import type { Agreement } from './readings.js';

/** What was measured, and on how much. */
export interface RowKey {
  readonly model: string;
  /** 'fp32' is the original, 'real' are pictures that it learned from. */
  readonly configuration: ConfigurationName | 'fp32' | 'real';
  /** Such as W4A8; null for what is not quantized. */
  readonly bits: string | null;
  readonly steps: number;
  readonly seed: number;
  /** Where it was measured. */
  readonly backend: BackendName;
}

/** Parts (a) to (c) of one configuration. */
export interface PairedRow extends RowKey, Agreement {
  readonly samples: number;
  /** Bytes of the packed model over those of float32. */
  readonly size: number;
  /** (a) Output SQNR of the transformed linears, dB: mean, least, means by role. */
  readonly linears: {
    readonly mean: number;
    readonly least: number;
    readonly roles: Readonly<Record<string, number>>;
  };
  /**
   * (b) SQNR of the velocity on the original's trajectory, dB: by step, and the mean of these; of
   * the first 64 samples.
   */
  readonly velocity: { readonly mean: number; readonly steps: readonly number[] };
  /** (c) PSNR to the original's pictures, dB: of all together, and of each one. */
  readonly psnr: number;
  readonly pictures: readonly number[];
  /** Share of the pictures that are read as the class that was asked for, and of the original's. */
  readonly classAccuracy: number;
  readonly originalAccuracy: number;
}

/**
 * Part (d) of one configuration, or of the original, or the floor: pictures learned from against
 * others.
 */
export interface OfflineRow extends RowKey {
  readonly count: number;
  /** Resamplings of the intervals. */
  readonly replicates: number;
  /** To real pictures that the model learned from. */
  readonly real: Distances;
  /**
   * To the original's samples from the same noise; null for the original itself and for the floor.
   */
  readonly original: Distances | null;
  /** Share of the samples that are read as the class that was asked for; null for the floor. */
  readonly classAccuracy: number | null;
}

/** A file of rows. */
export interface EvaluationFile {
  readonly version: 2;
  readonly paired: readonly PairedRow[];
  readonly offline: readonly OfflineRow[];
}

/** No rows. */
export const EMPTY_FILE: EvaluationFile = { version: 2, paired: [], offline: [] };

/** The row of the same measurement among others. */
export function sameRow<T extends PairedRow | OfflineRow>(
  rows: readonly T[],
  key: RowKey & ({ readonly samples: number } | { readonly count: number }),
): T | undefined {
  return rows.find((row) => keyOf(row) === keyOf(key));
}

/** All rows of all files; of rows of the same measurement the last one. */
export function mergedFiles(files: readonly EvaluationFile[]): EvaluationFile {
  const merge = <T extends PairedRow | OfflineRow>(rows: readonly T[]): T[] => [
    ...new Map(rows.map((row) => [keyOf(row), row])).values(),
  ];
  return {
    version: 2,
    paired: merge(files.flatMap(({ paired }) => paired)),
    offline: merge(files.flatMap(({ offline }) => offline)),
  };
}

/** @throws HadaNormError for a file of something else. */
export async function readRows(path: string): Promise<EvaluationFile> {
  const file: EvaluationFile = JSON.parse(await readFile(path, 'utf8'), (_, value) =>
    value === 'Infinity' ? Number.POSITIVE_INFINITY : value,
  );
  if (Array.isArray(file?.paired) && Array.isArray(file.offline)) {
    if (file.version === 2) return withBackends(file);
    const found = `${path} holds rows of version ${file.version}, wanted version 2`;
    const why = 'older ones are of methods as they were without branches and presets';
    throw new HadaNormError('evaluate', `${found}: ${why}. Measure again, into another file.`);
  }
  throw new HadaNormError('evaluate', `${path} holds no rows that --json wrote.`);
}

/** There was one backend at first, which rows did not name. */
function withBackends({ version, paired, offline }: EvaluationFile): EvaluationFile {
  const named = <T extends RowKey>(row: T): T => ({ ...row, backend: row.backend ?? 'wasm' });
  return { version, paired: paired.map(named), offline: offline.map(named) };
}

/** As `readRows`; no rows where there is no file yet. */
export async function readRowsIfAny(path: string): Promise<EvaluationFile> {
  return readRows(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return EMPTY_FILE;
    throw error;
  });
}

/** Writes all or nothing: a run may be cut off at any time. */
export async function writeRows(path: string, file: EvaluationFile): Promise<void> {
  const text = JSON.stringify(
    file,
    (_, value) => (value === Number.POSITIVE_INFINITY ? 'Infinity' : value),
    2,
  );
  const bytes = new TextEncoder().encode(`${text}\n`);
  await writeWhole(dirname(path), [[basename(path), bytes]]);
}

function keyOf(row: RowKey & { readonly samples?: number; readonly count?: number }): string {
  const { model, configuration, bits, steps, seed, backend, samples, count } = row;
  const size = [samples ?? null, count ?? null];
  return JSON.stringify([model, configuration, bits, steps, seed, backend, ...size]);
}
