import type * as tf from '@tensorflow/tfjs';
import type { AttrValue } from '../../../src/graph/attrs.js';
import type { Random } from '../base/random.js';
import type { Output } from '../guard/runs.js';

/** A tensor's contents. */
export interface Values {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** What an op is called with: as a graph has it, its attributes flat. */
export interface Given {
  readonly tensors: Readonly<Record<string, Values>>;
  readonly attrs: Readonly<Record<string, unknown>>;
}

/** An op: legal calls of it, its contract, and its reference. */
export interface OpSubject {
  /** Of its kernels and nodes. */
  readonly name: string;
  /** A call that is legal. */
  readonly make: (random: Random) => Given;
  /** The attributes that there are. */
  readonly attrs: readonly string[];
  /**
   * Whether the documented contract holds, worked out from nothing but the documentation; null
   * where it would take the op's own code to say.
   */
  readonly legal: (given: Given) => boolean | null;
  readonly call: (tensors: Record<string, tf.Tensor>, attrs: Given['attrs']) => tf.Tensor[];
  /** The node's inputs in order, and the flags that say which there are. */
  readonly node: (given: Given) => { inputs: string[]; flags: Record<string, AttrValue> };
  /** Outputs against the float64 reference; null where they are right. */
  readonly check: (given: Given, outputs: readonly Output[]) => string | null;
}
