/** What everything about an op agrees on, whatever backend or graph it is in. */
export interface OpContract {
  /** The name of its kernels, and of its nodes in a graph. */
  readonly kernelName: string;
}
