import type { DataType } from '@tensorflow/tfjs-core';
import { TraceError } from './errors.js';
import { BakedError, type Batches, type Length, type Lengths, lengthOf } from './pairs.js';
import type { Constant, Step, Tape } from './tape.js';

/** A tensor of both calls, before it is in the graph. */
export interface Known {
  readonly id: number;
  readonly lengths: Lengths;
  readonly dtype: DataType;
  /** Where nothing of the inputs is in it: the tensor in the first call. */
  readonly constant: Constant | null;
}

/** A kernel as both calls ran it. */
export class StepPair {
  readonly kernel: string;

  constructor(
    readonly op: string,
    private readonly batches: Batches,
    private readonly tapes: readonly [Tape, Tape],
    private readonly steps: readonly [Step, Step],
  ) {
    this.kernel = steps[0].kernel;
  }

  has(name: string): boolean {
    return this.steps[0].inputs.has(name);
  }

  names(): string[] {
    return [...this.steps[0].inputs.keys()];
  }

  input(name: string): Known {
    const [first, second] = this.steps.map(({ inputs }) => inputs.get(name));
    if (first === undefined || second === undefined) throw this.refusal(`without ${name}`);
    const constant = this.tapes[0].constants.get(first.id) ?? null;
    const lengths = this.lengths(first.shape, second.shape);
    return { id: first.id, lengths, dtype: first.dtype, constant };
  }

  outputs(): { id: number; lengths: Lengths }[] {
    const [first, second] = this.steps.map(({ outputs }) => outputs);
    return first!.map(({ id, shape }, k) => ({
      id,
      lengths: this.lengths(shape, second![k]!.shape),
    }));
  }

  /** An attribute that the batch has no part in. @throws BakedError where it has. */
  attr<T>(name: string): T {
    const [first, second] = this.steps.map(({ attrs }) => attrs[name]);
    if (JSON.stringify(first) !== JSON.stringify(second))
      throw new BakedError(this.op, this.kernel);
    return first as T;
  }

  attrNames(): string[] {
    return Object.keys(this.steps[0].attrs);
  }

  /** A list of lengths among the attributes. */
  lengthsAttr(name: string): Lengths {
    const [first, second] = this.steps.map(({ attrs }) => attrs[name] as number[]);
    return this.lengths(first!, second!);
  }

  /** Whether something holds of the attributes and the shape of an input, in both calls. */
  both(holds: (attrs: Step['attrs'], shape: readonly number[]) => boolean, of = 'x'): boolean {
    return this.steps.every(({ attrs, inputs }) => holds(attrs, inputs.get(of)?.shape ?? []));
  }

  /** What is said where this form of a kernel has no op. */
  refusal(form: string): TraceError {
    const problem = `the kernel ${this.kernel} ${form} has no op in a graph model`;
    const wayOut = 'Write that part with other ops, or leave it out of the call.';
    return new TraceError(this.op, this.kernel, problem, wayOut);
  }

  private lengths(first: readonly number[], second: readonly number[]): Length[] {
    if (first.length !== second.length) throw new BakedError(this.op, this.kernel);
    const { op, kernel, batches } = this;
    return first.map((dim, i) => lengthOf(op, kernel, batches, dim, second[i]));
  }
}
