import { describe, HadaNormError } from '../../../ops/numerics/errors.js';
import { KIND } from '../../../ops/numerics/kinds.js';

/** A published checkpoint cannot be loaded: a file, a tensor or a field of its config is wrong. */
export class CheckpointError extends HadaNormError {
  static override readonly [KIND] = 'CheckpointError';
  override readonly name = 'CheckpointError';

  /**
   * @param op The function that was called.
   * @param message What is wrong, and the way out.
   * @param tensor The tensor that is missing, too many or of another shape; null for other errors.
   */
  constructor(
    op: string,
    message: string,
    readonly tensor: string | null = null,
  ) {
    super(op, message);
  }
}

/** What somebody else's code threw, in the words of a checkpoint's error. */
export function failed(op: string, what: string, cause: unknown): CheckpointError {
  const words = cause instanceof Error ? cause.message : describe(cause);
  return Object.assign(new CheckpointError(op, `${what}: ${words}`), { cause });
}
