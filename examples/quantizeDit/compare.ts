import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import {
  InvalidArgumentError,
  type QuantizationReport,
  quantizedFiles,
  reportJson,
} from 'tfjs-hadanorm';
import { likenessOf } from '../../models/likeness.js';
import { Sheet } from '../../models/sheet.js';
import { optionsOf } from '../../src/cli/values.js';
import { spreadLabels } from '../../src/diffusion/labels.js';
import { numClassesOf } from '../../src/diffusion/sampler.js';
import type { Settings } from './flags.js';
import { reportsPage } from './reportPage.js';
import { calibrated, drawn, quantized } from './steps.js';
import type { ModelFigures } from './summary.js';

/** Pictures of each model: a row of samples.png. */
const PICTURES = 8;

/** What came out of a comparison. */
export interface Comparison {
  /**
   * The original, then for each of the bits rounding to nearest and the method: as the rows of
   * samples.png.
   */
  readonly figures: readonly ModelFigures[];
  /** Of the method, for each of the bits. */
  readonly reports: readonly { readonly title: string; readonly report: QuantizationReport }[];
  /** Contents by path, to be written. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
}

/**
 * Calibrates a model once, quantizes it to each of the bits by rounding to nearest and by the
 * method, and draws with all from the same noise. The model stays the caller's.
 *
 * @throws InvalidArgumentError for a model that does not say how many classes it has; the signal's
 * reason, or an AbortError, when it is aborted.
 */
export async function compareModels(
  model: tf.GraphModel,
  settings: Settings,
  signal: AbortSignal,
): Promise<Comparison> {
  const classes = numClassesOf(model);
  if (classes === undefined) {
    const wanted = 'one that says how many classes it has, in userDefinedMetadata.dit.numClasses';
    throw new InvalidArgumentError('npm start', '--model', wanted, settings.model);
  }
  const labels = spreadLabels(PICTURES, classes);
  const stats = await calibrated(model, settings, signal);
  const sheet = new Sheet();
  const draw = async (name: string, from: tf.GraphModel) => {
    const { pictures, stepMs } = await drawn(name, from, labels, settings, signal);
    sheet.startRow();
    sheet.add(pictures);
    const values = pictures.dataSync<'float32'>();
    pictures.dispose();
    return { values, stepMs };
  };
  const original = await draw('fp32', model);
  const figures: ModelFigures[] = [];
  const reports: { title: string; report: QuantizationReport }[] = [];
  const files = new Map<string, string | Uint8Array>();
  for (const bits of settings.bits) {
    for (const method of ['rtn', settings.method] as const) {
      const name = `${method} ${bits.name}`;
      const options = { ...optionsOf(bits, method), stats, compare: method !== 'rtn' };
      const { model: small, report } = await quantized(name, model, options, signal);
      try {
        const { values, stepMs } = await draw(name, small);
        const likeness = likenessOf(original.values, values, PICTURES);
        figures.push({ name, report, likeness, stepMs });
        if (method === 'rtn') continue;
        reports.push({ title: `${settings.model}, ${bits.name}`, report });
        files.set(`report-${bits.name}.json`, reportJson(report));
        for (const [file, bytes] of await quantizedFiles(small)) {
          files.set(join(`model-${bits.name}`, file), bytes);
        }
      } finally {
        small.dispose();
      }
    }
  }
  figures.unshift({ name: 'fp32', report: null, likeness: null, stepMs: original.stepMs });
  files.set('samples.png', sheet.png());
  files.set('report.html', await reportsPage(reports));
  return { figures, reports, files };
}
