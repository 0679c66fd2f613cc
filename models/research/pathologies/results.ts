import { HadaNormError } from '../../../src/index.js';
import { METHOD_ROWS } from './ablation.js';
import type { MeasuredModel } from './measureModel.js';

/** Models that learned the avatars, whose pictures can be drawn anew. */
export const MODELS = ['avatars-nano', 'avatars', 'avatars-nano-stress'] as const;

/** One of `MODELS`. */
export type ModelName = (typeof MODELS)[number];

/** What `npm run pathologies -- --json FILE` writes. */
export interface PathologiesFile extends MeasuredModel {
  readonly version: 1;
  /** What wrote it. */
  readonly command: string;
  readonly model: ModelName;
  /** The weights that ship with the project, or files that were given. */
  readonly weights: 'shipped' | 'given';
  /** Rows of `ablation`. */
  readonly methods: readonly string[];
}

/** @throws HadaNormError for a file that is none of these, or of another version. */
export function readPathologies(text: string, name: string): PathologiesFile {
  let file: Partial<PathologiesFile> | null;
  try {
    file = JSON.parse(text);
  } catch {
    file = null;
  }
  const methods = METHOD_ROWS.map(({ name }) => name);
  const known = file?.version === 1 && MODELS.includes(file.model!);
  if (known && `${file?.methods}` === `${methods}`) return file as PathologiesFile;
  const what = `${name} is not what this version of npm run pathologies -- --json writes`;
  throw new HadaNormError('readPathologies', `${what}; measure again.`);
}
