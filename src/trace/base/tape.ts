import type { DataType, Tensor } from '@tensorflow/tfjs-core';

/** A tensor of the call by its id, which no other tensor has. */
export interface Traced {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: DataType;
}

/** A kernel that ran on something that depends on the inputs. */
export interface Step {
  readonly kernel: string;
  /** By the names of the kernel; those of a list by their index. */
  readonly inputs: ReadonlyMap<string, Traced>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly outputs: readonly Traced[];
}

/** A tensor that a step reads and that no input had a part in. */
export interface Constant extends Traced {
  /** Shares the memory; the tape's own, kept. */
  readonly tensor: Tensor;
  /** What the variable behind it is called; null where there is none. */
  readonly name: string | null;
  /** The tensor from before the call that it shows, reshaped or turned; null for one made there. */
  readonly root: number | null;
  /** The root's data, which is other data once a variable got another value. */
  readonly data: object;
}

/** One call, kernel by kernel. */
export interface Tape {
  readonly inputs: ReadonlyMap<string, Traced>;
  readonly steps: readonly Step[];
  readonly constants: ReadonlyMap<number, Constant>;
  readonly outputs: ReadonlyMap<string, Traced>;
  /** What the call gave, by the names of the outputs; the tape's own, kept. */
  readonly results: ReadonlyMap<string, Tensor>;
}

/** Gives up the tensors of a tape. */
export function disposeTape({ constants, results }: Tape): void {
  for (const { tensor } of constants.values()) tensor.dispose();
  for (const result of results.values()) result.dispose();
}
