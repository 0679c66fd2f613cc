import { HadaNormError } from '../../ops/numerics/errors.js';

/** What plots need of vega and vega-lite. */
export interface VegaModules {
  readonly vega: Pick<typeof import('vega'), 'View' | 'parse'>;
  readonly vegaLite: Pick<typeof import('vega-lite'), 'compile'>;
}

/**
 * Imports vega and vega-lite, at the first report and not before.
 * The script-tag build has htmlVegaGlobal.ts in place of this file.
 *
 * @throws HadaNormError where they are not installed, with the reason as its `cause`.
 */
export async function loadVega(): Promise<VegaModules> {
  try {
    const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
    return { vega, vegaLite };
  } catch (cause) {
    const message = 'cannot import vega and vega-lite. Run: npm install vega vega-lite';
    throw Object.assign(new HadaNormError('reportHtml', message), { cause });
  }
}
