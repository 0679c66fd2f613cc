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
