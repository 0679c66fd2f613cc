/** What long work is at. */
export type Stage = 'load' | 'calibrate' | 'quantize' | 'evaluate' | 'check' | 'sample' | 'save';

/** How far long work is: what every `onProgress` of this package is given. */
export interface Progress {
  readonly stage: Stage;
  /** What is done, in the stage's own parts: batches, linears, steps, weights, files. */
  readonly done: number;
  /** How many there are; null where nobody knows, as of batches that come one by one. */
  readonly total: number | null;
  /** What was done last, such as a linear's name; '' where parts have no names. */
  readonly name: string;
}

/** What every long function of this package takes. */
export interface WatchOptions {
  /** Cancels: rejects with an `AbortedError`, whose `cause` is the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every part that is done. */
  readonly onProgress?: (progress: Progress) => void;
}
