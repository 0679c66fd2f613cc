import { BACKENDS, type OpSupport, supportOf } from '../ops/common/support.js';
import { OPS } from '../ops/index.js';

/**
 * How each op of this package runs on each backend: with a kernel of its own, or composed of tfjs ops.
 *
 * @param backends Backend names; default the five of tfjs 4.22. Custom backends show as `none` until an op first runs there.
 *
 * @example
 * ```ts
 * import { supportMatrix } from 'tfjs-hadanorm';
 *
 * for (const { op, backends } of supportMatrix()) console.log(op, backends);
 * ```
 */
export function supportMatrix(backends: readonly string[] = BACKENDS): OpSupport[] {
  return supportOf(
    OPS.map(({ kernelName }) => kernelName),
    backends,
  );
}
