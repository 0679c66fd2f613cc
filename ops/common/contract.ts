import type { Dims } from '../numerics/lengths.js';

/**
 * What everything about an op agrees on, whatever backend or graph it is in. A `Form` is what tells
 * calls of it apart for kernels: those of its attributes that decide how, or whether, one runs.
 */
export interface OpContract<Form> {
  /** The name of its kernels, and of its nodes in a graph. */
  readonly kernelName: string;
  /** What a kernel of its own computes a form in. */
  readonly arithmetic: (form: Form) => 'integer' | 'float';
  /** Why no backend has a kernel for a form; null where one may. */
  readonly supports: (form: Form) => string | null;
}

/** The attributes of a node by name, undefined for one that it does not have. */
export interface NodeAttrs {
  /** `i` or `f`. */
  readonly number: (name: string) => number | undefined;
  /** `b`. */
  readonly bool: (name: string) => boolean | undefined;
  /** `s`, in lower case: so tfjs-converter gives strings to ops. */
  readonly string: (name: string) => string | undefined;
}

/** An op as graphs have it: the one place that tells a node's inputs apart. */
export interface NodeContract<Name extends string, Form> extends OpContract<Form> {
  /** The inputs of a node in their order. */
  readonly inputNames: (attrs: NodeAttrs) => readonly Name[];
  /** The shapes of all outputs; null for one of which not even the rank is known. */
  readonly outputShapes: (inputs: InputShapes<Name>, attrs: NodeAttrs) => readonly (Dims | null)[];
}

/** What is known of a node's inputs: null where the rank is not, undefined for one not there. */
export type InputShapes<Name extends string> = { readonly [N in Name]?: Dims | null };

/** Inputs of which bool attributes say whether they are there: `[flag, ...names]`, in order. */
export function flagged<Name extends string>(
  attrs: NodeAttrs,
  flags: readonly (readonly [flag: string, ...names: Name[]])[],
): Name[] {
  return flags.flatMap(([flag, ...names]) => (attrs.bool(flag) === true ? names : []));
}

/** The shapes of a node's outputs from those of its inputs in order. */
export function nodeShapes<Name extends string, Form>(
  { inputNames, outputShapes }: NodeContract<Name, Form>,
  inputs: readonly (Dims | null)[],
  attrs: NodeAttrs,
): readonly (Dims | null)[] {
  const named = inputNames(attrs).map((name, i) => [name, inputs[i] ?? null]);
  return outputShapes(Object.fromEntries(named) as InputShapes<Name>, attrs);
}
