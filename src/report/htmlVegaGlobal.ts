import { HadaNormError } from '../../ops/numerics/errors.js';
import type { VegaModules } from './htmlVega.js';

const SCRIPT_TAGS = [
  '<script src="https://cdn.jsdelivr.net/npm/vega@6"></script>',
  '<script src="https://cdn.jsdelivr.net/npm/vega-lite@6"></script>',
].join(' ');

/**
 * Takes vega and vega-lite from the globals of their own script tags, in place of htmlVega.ts.
 *
 * @throws HadaNormError in a page without them, with the script tags to add.
 */
export async function loadVega(): Promise<VegaModules> {
  const { vega, vegaLite } = globalThis as Partial<VegaModules>;
  if (vega !== undefined && vegaLite !== undefined) return { vega, vegaLite };
  const missing = [vega ?? 'vega', vegaLite ?? 'vegaLite'].filter((one) => typeof one === 'string');
  const message = `there is no global ${missing.join(' or ')}. Add to the page: ${SCRIPT_TAGS}`;
  throw new HadaNormError('reportHtml', message);
}
