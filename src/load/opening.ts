import { checkCallback, checkSignal, throwIfAborted } from '../../ops/common/callers.js';
import { checkPlain } from '../../ops/common/checks.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { type ReadFor, readInteger, recordOf } from '../../ops/common/readers.js';
import { AbortedError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { Checkpoint } from './checkpoint.js';
import type { Sizes } from './models/architecture.js';
import { type Plan, planOf, possibleCopies } from './plan.js';
import { openSource } from './source/open.js';

/** Options of `loadCheckpoint`. */
export interface LoadCheckpointOptions extends WatchOptions {
  /**
   * Height and width of the latents, in cells: the graph is for these. Default the config's
   * sample_size; of Flux 128.
   */
  readonly height?: number;
  /** Default the height. */
  readonly width?: number;
  /** Length of the text. Default of PixArt 300 (of α give 120), SD3 333, Flux 512. */
  readonly textTokens?: number;
  /** What config.json says, or fields to set beside it or in its place. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Their names. */
export const LOAD_OPTIONS = ['height', 'width', 'textTokens', 'config', 'signal', 'onProgress'];

/** A checkpoint whose headers were read and checked. */
export interface Opened {
  readonly checkpoint: Checkpoint;
  readonly plan: Plan;
  readonly watch: {
    readonly signal: AbortSignal | null;
    readonly onProgress: LoadCheckpointOptions['onProgress'];
  };
}

/**
 * Runs with an open checkpoint, and closes it.
 * @param known The names that options may have.
 */
export async function withPlan<T>(
  op: string,
  source: unknown,
  options: LoadCheckpointOptions,
  known: readonly string[],
  run: (opened: Opened) => Promise<T>,
): Promise<T> {
  checkPlain(op, 'options', options);
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(op, 'options', `some of ${known.join(', ')}`, unknown);
  }
  const { signal = null, onProgress, config: given = {} } = options;
  checkSignal(op, signal);
  checkCallback(op, 'onProgress', onProgress);
  const sizes = sizesOf(op, options);
  recordOf(given, 'config', { op });
  const files = openSource(op, source);
  throwIfAborted(op, signal);
  return abortable(op, signal, async () => {
    const checkpoint = await Checkpoint.open(op, files, signal);
    try {
      const { config, shapes } = checkpoint;
      const none = config === null && Object.keys(given).length === 0;
      const wanted = { config: none ? null : { ...config, ...given }, shapes };
      // all is checked before a tensor is read
      const whole = planOf(op, wanted, sizes);
      const lists = possibleCopies(op, wanted);
      const copies = lists.length > 0 && (await checkpoint.areCopies(op, lists));
      const plan = copies ? planOf(op, { ...wanted, copies }, sizes) : whole;
      return await run({ checkpoint, plan, watch: { signal, onProgress } });
    } finally {
      await checkpoint.close();
    }
  });
}

function sizesOf(op: string, options: LoadCheckpointOptions): Sizes {
  const by: ReadFor = { op };
  const size = (name: 'height' | 'width' | 'textTokens') => {
    const value = options[name];
    return value === undefined ? null : readInteger(1, 2 ** 20)(value, name, by);
  };
  return { height: size('height'), width: size('width'), textTokens: size('textTokens') };
}

/** What a platform throws when its signal is aborted, as this package's own. */
async function abortable<T>(
  op: string,
  signal: AbortSignal | null,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (signal?.aborted && !(error instanceof AbortedError)) {
      throw new AbortedError(op, signal.reason);
    }
    throw error;
  }
}
