import type { Method, Parts } from './methods.js';

/** One linear's options, all resolved. */
export interface LinearSettings {
  readonly treatment: 'transform' | 'weightOnly' | 'skip';
  readonly method: Method | 'auto';
  readonly weights: {
    readonly bits: number | null;
    readonly granularity: 'perGroup' | 'perChannel';
    readonly groupSize: number;
    readonly clipping: 'search' | 'none';
    readonly rounding: 'nearest' | 'gptq' | null; // null: by bits and statistics
  };
  readonly activations: {
    readonly bits: number | null;
    readonly symmetric: boolean;
    readonly granularity: 'perToken' | 'perGroup' | 'perTensor';
    readonly groupSize: number;
    readonly range: 'dynamic' | 'static';
  };
  /** What the method's parts are replaced with. */
  readonly parts: Partial<Parts>;
  readonly lowRank: number;
  readonly blockSize: number | null;
}
