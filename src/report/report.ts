import type { Measured, Sqnr, Treatment } from '../quantize/measured.js';
import type { Method } from '../quantize/methods.js';
import type { Role } from '../recognize/role.js';

/** One linear in a `QuantizationReport`. */
export interface LinearReport extends Measured {
  readonly name: string;
  readonly role: Role;
  /** Input and output channels. */
  readonly shape: readonly [d: number, n: number];
  /** What was done: 'transformed' (activations and weights), 'weightOnly', or 'untouched'. */
  readonly treatment: 'transformed' | 'weightOnly' | 'untouched';
  /** Null for a linear that was not transformed. */
  readonly method: Method | null;
  /**
   * What is done to its input before that is quantized. Absent for a linear that was not
   * transformed, and in reports of former versions.
   */
  readonly parts?: Treatment;
  /**
   * The first of the linears that share its transform and its branch: those that read one tensor
   * and are treated alike. Absent as `parts` is.
   */
  readonly transformOf?: string;
  readonly weightBits: number | null;
  readonly activationBits: number | null;
  readonly rounding: 'nearest' | 'gptq' | null;
  /** How it runs, and why so. */
  readonly execution: 'integer' | 'simulated' | 'float';
  readonly reason: string;
  /**
   * Bytes of the weights, with what the method stores beside them, as saved; before: as float32.
   */
  readonly bytes: { readonly before: number; readonly after: number };
}

/** A table of embeddings, read row by row, in a `QuantizationReport`. */
export interface EmbeddingReport {
  /** Of its weight in the graph. */
  readonly name: string;
  readonly shape: readonly [rows: number, d: number];
  readonly bits: number;
  /** Of the numbers in it, dB. */
  readonly sqnr: number;
  /** With a scale for each row, as saved; before: as float32. */
  readonly bytes: { readonly before: number; readonly after: number };
}

/**
 * What `rewriteGraph` did and what it costs. As JSON: `reportJson`, which keeps infinite decibels.
 */
export interface QuantizationReport {
  readonly version: 1;
  readonly method: Method | 'auto';
  readonly linears: readonly LinearReport[];
  readonly totals: {
    /** Mean of the transformed linears, dB; null without calibration data. */
    readonly sqnr: Sqnr | null;
    readonly compared: Readonly<Partial<Record<Method, Sqnr>>>;
    /** Of all linears listed. */
    readonly linearBytes: { readonly before: number; readonly after: number };
    /** Of every weight of the model. */
    readonly modelBytes: { readonly before: number; readonly after: number };
  };
  /** Tables that were quantized; absent where there is none, and in reports of former versions. */
  readonly embeddings?: readonly EmbeddingReport[];
  /**
   * What was not done though one could think so: rules that match nothing, options without effect,
   * linears that were quantized already. Absent where there is nothing to say.
   */
  readonly notes?: readonly string[];
}
