import { kernelKind } from '../ops/common/kernel.js';
import { BACKENDS, OPS } from '../ops/index.js';
import { describe, InvalidArgumentError } from '../ops/numerics/errors.js';

/** How one op runs on each backend: `own` kernel, or `composed` of tfjs ops (right, slower). */
export interface OpSupport {
  readonly op: string;
  readonly backends: Readonly<Record<string, 'own' | 'composed' | 'none'>>;
}

/**
 * How each op of this package runs on each backend: with a kernel of its own, or composed of tfjs
 * ops.
 *
 * @param backends Backend names; default the five of tfjs 4.22. A backend whose kernels were not
 * imported shows as `composed`; custom backends show as `none` until an op first runs there.
 * @throws InvalidArgumentError for what are no names.
 *
 * @example
 * ```ts
 * import { supportMatrix } from 'tfjs-hadanorm';
 *
 * for (const { op, backends } of supportMatrix()) console.log(op, backends);
 * ```
 */
export function supportMatrix(backends: readonly string[] = BACKENDS): OpSupport[] {
  if (!Array.isArray(backends) || !backends.every((name) => typeof name === 'string')) {
    const wanted = 'an array of names of backends';
    throw new InvalidArgumentError('supportMatrix', 'backends', wanted, describe(backends));
  }
  return OPS.map(({ kernelName: op }) => ({
    op,
    backends: Object.fromEntries(backends.map((backend) => [backend, kindOf(op, backend)])),
  }));
}

function kindOf(op: string, backend: string): 'own' | 'composed' | 'none' {
  const kind = kernelKind(op, backend);
  // what tfjs has runs everything: without a kernel by a composition, from the first call on
  return kind === 'none' && (BACKENDS as readonly string[]).includes(backend) ? 'composed' : kind;
}
