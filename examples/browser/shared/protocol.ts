import type { BackendName } from './choices.js';
import type { Settings } from './settings.js';

/**
 * The three models that denoise side by side: the original, rounded to nearest, and by the chosen
 * method or packed.
 */
export const COLUMNS = ['fp32', 'rtn', 'small'] as const;

/** One of `COLUMNS`. */
export type Column = (typeof COLUMNS)[number];

/** What the page asks of its worker. `run` numbers the runs from 1. */
export type Request =
  | { readonly kind: 'hello'; readonly base: string }
  | {
      readonly kind: 'start';
      readonly run: number;
      readonly settings: Settings;
      /** Of a packed model, where they were picked: model.json and its shards. */
      readonly files: readonly File[];
    }
  | { readonly kind: 'cancel'; readonly run: number }
  | { readonly kind: 'report'; readonly run: number };

/** What the worker tells the page. */
export type Message =
  | { readonly kind: 'ready'; readonly backends: readonly BackendState[] }
  | { readonly kind: 'engine'; readonly run: number; readonly text: string }
  | { readonly kind: 'stage'; readonly run: number; readonly stage: Stage; readonly share: number }
  | Frame
  | {
      readonly kind: 'figures';
      readonly run: number;
      readonly column: Column;
      readonly figures: Partial<Figures>;
    }
  | {
      readonly kind: 'slower';
      readonly run: number;
      readonly column: Column;
      readonly reason: string;
    }
  | { readonly kind: 'plots'; readonly run: number; readonly plots: LayerPlots }
  | { readonly kind: 'packed'; readonly run: number; readonly files: readonly PackedFile[] }
  | { readonly kind: 'report'; readonly run: number; readonly html: string }
  | {
      readonly kind: 'end';
      readonly run: number;
      readonly outcome: Outcome;
      readonly memory: MemoryState;
    };

/** Whether a backend runs here, and a word on it: how, or why not. */
export interface BackendState {
  readonly name: BackendName;
  readonly available: boolean;
  readonly note: string;
}

/** What a run is doing, in its order. */
export type Stage =
  | 'backend'
  | 'download'
  | 'draw fp32'
  | 'calibrate'
  | 'quantize rtn'
  | 'draw rtn'
  | 'quantize small'
  | 'open small'
  | 'check small'
  | 'draw small'
  | 'measure';

/** The pictures of a column after a step; step 0 is the noise. */
export interface Frame {
  readonly kind: 'frame';
  readonly run: number;
  readonly column: Column;
  readonly step: number;
  readonly steps: number;
  readonly side: number;
  /** RGBA bytes [side, side, 4] of each. */
  readonly pictures: readonly Uint8ClampedArray<ArrayBuffer>[];
}

/** What is said of a column. */
export interface Figures {
  /** Median time of a step, in milliseconds. */
  readonly stepMs: number;
  /** Bytes of its files: fetched, or as they would be saved. */
  readonly fileBytes: number;
  /** Bytes of its weights as tensors. */
  readonly weightBytes: number;
  /** Bytes that it took of the GPU, with what it computes; null where there is none. */
  readonly gpuBytes: number | null;
  /** Mean PSNR of its pictures to the original's, dB. */
  readonly psnr: number;
  /** Mean output SQNR of its transformed linears, dB. */
  readonly sqnr: number;
}

/** Output SQNR of every linear, a plot for each role. */
export interface LayerPlots {
  readonly plots: readonly {
    readonly role: string;
    /** What the names of its linears have in common. */
    readonly pattern: string;
    readonly svg: string;
  }[];
  /**
   * Marks with their methods' names; paths in a square from −1.3 to 1.3, colours of the page's
   * style sheet.
   */
  readonly legend: readonly {
    readonly name: string;
    readonly path: string;
    readonly colour: string;
  }[];
  /** Why there are none, in words; '' otherwise. */
  readonly missing: string;
}

/** A file of a packed model. */
export interface PackedFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** How a run ended. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly message: string };

/** What tfjs holds when a run has ended. */
export interface MemoryState {
  readonly numTensors: number;
  readonly numBytes: number;
  /** WebGL and WebGPU only. */
  readonly gpuBytes: number | null;
}
