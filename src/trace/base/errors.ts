import { HadaNormError } from '../../../ops/numerics/errors.js';
import { KIND } from '../../../ops/numerics/kinds.js';

/** A call of eager code that no graph can repeat for other inputs. */
export class TraceError extends HadaNormError {
  static override readonly [KIND] = 'TraceError';
  override readonly name = 'TraceError';

  /**
   * @param op The function that was called.
   * @param what What cannot be recorded: a kernel, a value that is read, a constant that changes.
   * @param problem Why, as a clause that begins with it.
   * @param wayOut What the caller can do, as a sentence.
   */
  constructor(
    op: string,
    readonly what: string,
    problem: string,
    wayOut: string,
  ) {
    super(op, `${problem}. ${wayOut}`);
  }
}
