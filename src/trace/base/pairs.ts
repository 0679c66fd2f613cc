import { TraceError } from './errors.js';
import type { Step, Tape, Traced } from './tape.js';

/**
 * A length in two calls with different batches, of `batch` samples each: a number that is the same
 * in both, or a multiple of the batch.
 */
export type Length = number | { readonly times: number };

/** The numbers of samples of two calls; one of them twice where the batch stays as it is. */
export type Batches = readonly [first: number, second: number];

/** A shape in both calls. */
export type Lengths = readonly Length[];

/** What cannot be told for other batches; the batch stays as it is then. */
export class BakedError extends TraceError {
  constructor(op: string, kernel: string) {
    const problem = `the kernel ${kernel} is run in a way that holds for this batch alone`;
    const wayOut =
      "Compute shapes with −1 where the batch goes, or pass toGraphModel { batch: 'fixed' }.";
    super(op, kernel, problem, wayOut);
  }
}

/** A length that two calls have. @throws BakedError where it follows the batch in another way. */
export function lengthOf(
  op: string,
  kernel: string,
  [b1, b2]: Batches,
  first: number | undefined,
  second: number | undefined,
): Length {
  if (first !== undefined && first === second) return first;
  const times = (first ?? Number.NaN) / b1;
  if (!Number.isInteger(times) || second !== times * b2) throw new BakedError(op, kernel);
  return { times };
}

export function sameLength(a: Length | undefined, b: Length | undefined): boolean {
  if (typeof a === 'object' && typeof b === 'object') return a.times === b.times;
  return a === b;
}

export function sameLengths(a: Lengths, b: Lengths): boolean {
  return a.length === b.length && a.every((length, i) => sameLength(length, b[i]));
}

/** −1 for what follows the batch. */
export function openShape(lengths: Lengths): number[] {
  return lengths.map((length) => (typeof length === 'number' ? length : -1));
}

/** Whether two calls ran the same kernels on the same tensors; where not, the first difference. */
export function differenceOf(one: Tape, other: Tape): string | null {
  const [a, b] = [new Symbols(one), new Symbols(other)];
  for (let i = 0; i < Math.max(one.steps.length, other.steps.length); i++) {
    const [x, y] = [one.steps[i], other.steps[i]];
    if (x === undefined || y === undefined || a.step(x, i) !== b.step(y, i)) {
      return (x ?? y)!.kernel;
    }
  }
  return a.ends() === b.ends() ? null : 'of an output';
}

/** Names for the tensors of a tape that do not hang on their ids. */
class Symbols {
  private readonly names = new Map<number, string>();

  constructor(private readonly tape: Tape) {
    for (const [name, { id }] of tape.inputs) this.names.set(id, `input ${name}`);
  }

  step({ kernel, inputs, outputs }: Step, index: number): string {
    const read = [...inputs].map(([name, x]) => `${name}: ${this.of(x)}`);
    for (const [k, { id }] of outputs.entries()) this.names.set(id, `${index}:${k}`);
    return `${kernel}(${read.join()}) ${outputs.map(({ shape }) => shape.length).join()}`;
  }

  ends(): string {
    return [...this.tape.outputs].map(([name, x]) => `${name}: ${this.of(x)}`).join();
  }

  private of({ id, dtype, shape }: Traced): string {
    const root = this.tape.constants.get(id)?.root;
    // what is made in the call has another id each time: by the order in which they are met
    const fresh = `constant ${root ?? `${this.names.size} ${dtype} ${shape.length}`}`;
    if (!this.names.has(id)) this.names.set(id, fresh);
    return this.names.get(id)!;
  }
}
