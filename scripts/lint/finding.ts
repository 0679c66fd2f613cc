/** Something that the project's own lint does not let pass. */
export interface Finding {
  /** From the project's folder, with slashes. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly problem: string;
}
