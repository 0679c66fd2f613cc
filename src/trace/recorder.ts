import {
  keep,
  type NamedAttrMap,
  type NamedTensorMap,
  reshape,
  Tensor,
  tidy,
  Variable,
} from '@tensorflow/tfjs-core';
import { watchEngine } from '../../ops/common/watch.js';
import { describe } from '../../ops/numerics/errors.js';
import { TraceError } from './base/errors.js';
import type { Constant, Step, Tape, Traced } from './base/tape.js';

/** Eager code: tensors by name in, tensors by name out, at once. */
export type Call = (inputs: ReadonlyMap<string, Tensor>) => ReadonlyMap<string, Tensor>;

/** Kernels that give a view of their one input, or the same values turned. */
const SAME_VALUES = new Set(['Reshape', 'Identity', 'Transpose', 'ExpandDims', 'Cast']);

/**
 * Runs a call and writes down which kernels it runs on what depends on the inputs. The engine is
 * as it was afterwards, whatever happens.
 * @throws TraceError where the values of such a tensor are read, or drawn at random.
 */
export function record(op: string, given: ReadonlyMap<string, Tensor>, call: Call): Tape {
  const recorder = new Recorder(op);
  const stop = recorder.listen();
  try {
    let tape: Tape | undefined;
    tidy(() => {
      tape = recorder.tape(given, call);
    });
    return tape!;
  } catch (error) {
    recorder.dispose();
    throw recorder.refusal ?? error;
  } finally {
    stop();
  }
}

/** The tensor whose values another one has. */
type Root = Pick<Constant, 'id' | 'name' | 'data'>;

class Recorder {
  refusal: TraceError | null = null;
  private readonly steps: Step[] = [];
  private readonly constants = new Map<number, Constant>();
  private readonly results = new Map<string, Tensor>();
  /** The kernel that made a tensor which depends on the inputs. */
  private readonly makers = new Map<number, string>();
  /** Of what data depends on the inputs: who made it, and a tensor that is known to have it. */
  private readonly data = new WeakMap<object, { what: string; source: Traced }>();
  /** What the engine copied within a kernel, as for gradients: of which tensor. */
  private readonly copies = new Map<number, Traced>();
  private readonly roots = new Map<number, Root>();
  /** Tensors of lower ids were there before the call. */
  private firstId = 0;
  private depth = 0;

  constructor(private readonly op: string) {}

  listen(): () => void {
    return watchEngine({
      ran: (kernel, inputs, attrs, run) => this.ran(kernel, inputs, attrs ?? {}, run),
      read: (dataId, waits) => this.unread(dataId, waits),
    });
  }

  tape(given: ReadonlyMap<string, Tensor>, call: Call): Tape {
    const fed = new Map([...given].map(([name, x]) => [name, this.aside(x)]));
    this.firstId = Math.min(...[...fed.values()].map(({ id }) => id));
    for (const [name, x] of fed) this.depends(x, `the input ${describe(name)}`);
    const inputs = new Map([...fed].map(([name, x]) => [name, traced(x)]));
    const made = call(fed);
    if (this.refusal !== null) throw this.refusal;
    for (const x of made.values()) this.seen(x);
    for (const x of made.values()) if (!this.makers.has(x.id)) this.constant(x);
    const outputs = new Map([...made].map(([name, x]) => [name, traced(x)]));
    for (const [name, x] of made) this.results.set(name, keep(this.aside(x)));
    const { steps, constants, results } = this;
    return { inputs, steps, constants, outputs, results };
  }

  dispose(): void {
    for (const { tensor } of this.constants.values()) tensor.dispose();
    for (const result of this.results.values()) result.dispose();
  }

  private ran(
    kernel: string,
    given: NamedTensorMap,
    attrs: NamedAttrMap,
    run: () => Tensor | Tensor[],
  ): Tensor | Tensor[] {
    const made = this.inside(run);
    // a kernel that is made of others is one step
    if (this.depth > 0) {
      if (kernel === 'Identity') this.copies.set((made as Tensor).id, traced(given.x!));
      return made;
    }
    const outputs = [made].flat();
    const inputs = Object.entries(given).filter(([, x]) => x instanceof Tensor);
    for (const [, x] of inputs) this.seen(x);
    if (inputs.some(([, x]) => this.makers.has(x.id))) {
      if (kernel === 'Multinomial') this.refuse(kernel, `the kernel ${kernel} draws at random`);
      for (const [, x] of inputs) if (!this.makers.has(x.id)) this.constant(x);
      const named = new Map(inputs.map(([name, x]) => [name, traced(x)]));
      this.steps.push({ kernel, inputs: named, attrs, outputs: outputs.map(traced) });
      for (const output of outputs) this.depends(output, `the result of ${kernel}`);
    } else if (SAME_VALUES.has(kernel) && inputs.length === 1) {
      this.roots.set(outputs[0]!.id, this.rootOf(inputs[0]![1]));
    }
    return made;
  }

  private depends(x: Tensor, what: string): void {
    this.makers.set(x.id, what);
    if (!this.data.has(x.dataId)) this.data.set(x.dataId, { what, source: traced(x) });
  }

  /** What the engine itself copied is known by its data, where the copy shares it. */
  private seen(x: Tensor): void {
    if (this.makers.has(x.id)) return;
    const copied = this.copies.get(x.id);
    const what = copied && this.makers.get(copied.id);
    const known = what ? { what, source: copied } : this.data.get(x.dataId);
    if (known === undefined) return;
    const inputs = new Map([['x', known.source]]);
    this.steps.push({ kernel: 'Identity', inputs, attrs: {}, outputs: [traced(x)] });
    this.depends(x, known.what);
  }

  private constant(x: Tensor): void {
    if (this.constants.has(x.id)) return;
    const { id, name, data } = this.rootOf(x);
    const root = id < this.firstId ? id : null;
    this.constants.set(x.id, { ...traced(x), tensor: keep(this.aside(x)), name, root, data });
  }

  private rootOf(x: Tensor): Root {
    const name = x instanceof Variable ? x.name : null;
    return this.roots.get(x.id) ?? { id: x.id, name, data: x.dataId };
  }

  /** Another tensor on the same memory, which is not of the call. */
  private aside(x: Tensor): Tensor {
    // reshape shares the memory on every backend, where clone may copy
    return this.inside(() => reshape(x, x.shape));
  }

  private inside<T>(run: () => T): T {
    this.depth++;
    try {
      return run();
    } finally {
      this.depth--;
    }
  }

  private unread(dataId: object, waits: boolean): void {
    const what = this.depth > 0 ? undefined : this.data.get(dataId)?.what;
    if (what !== undefined) {
      const problem = `the values of ${what} are read within the call, so they may decide it`;
      // who does not look at a promise would have its rejection end the process
      if (waits) this.refused(what, problem);
      else this.refuse(what, problem);
    }
  }

  private refuse(what: string, problem: string): never {
    throw this.refused(what, problem);
  }

  private refused(what: string, problem: string): TraceError {
    const wayOut = 'A graph does the same for all inputs: compute with tensors instead.';
    this.refusal ??= new TraceError(this.op, what, problem, wayOut);
    return this.refusal;
  }
}

function traced({ id, shape, dtype }: Tensor): Traced {
  return { id, shape: [...shape], dtype };
}
