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
import { shippedOptions } from '../../src/cli/values.js';
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
 * @throws InvalidArgumentError for a model that does not say how many classes it has; AbortedError
 * when it is cancelled.
 */
export async function compareModels(
  model: tf.GraphModel,
  settings: Settings,
  signal: AbortSignal,
): Promise<Comparison> {
  const rows = new Rows(model, settings, signal);
  const stats = await calibrated(model, settings, signal);
  const original = await rows.draw('fp32', model);
  const figures: ModelFigures[] = [];
  const reports: { title: string; report: QuantizationReport }[] = [];
  const files = new Map<string, string | Uint8Array>();
  for (const bits of settings.bits) {
    for (const method of ['rtn', settings.method] as const) {
      const name = `${method} ${bits.name}`;
      const options = { ...shippedOptions(bits, method), stats, compare: method !== 'rtn' };
      const { model: small, report } = await quantized(name, model, options, signal);
      try {
        const { values, stepMs } = await rows.draw(name, small);
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
  files.set('samples.png', rows.png());
  files.set('report.html', await reportsPage(reports));
  return { figures, reports, files };
}

/**
 * Draws with a model that is quantized already: there is nothing to quantize, or to compare it
 * with.
 *
 * @throws As `compareModels` does.
 */
export async function drawQuantized(
  model: tf.GraphModel,
  settings: Settings,
  signal: AbortSignal,
): Promise<Comparison> {
  const rows = new Rows(model, settings, signal);
  const { stepMs } = await rows.draw('as it is', model);
  const figures = [{ name: 'as it is', report: null, likeness: null, stepMs }];
  return { figures, reports: [], files: new Map([['samples.png', rows.png()]]) };
}

/** The rows of samples.png: each model draws the same labels from the same noise. */
class Rows {
  private readonly sheet = new Sheet();
  private readonly labels: readonly number[];

  constructor(
    model: tf.GraphModel,
    private readonly settings: Settings,
    private readonly signal: AbortSignal,
  ) {
    const classes = numClassesOf(model);
    if (classes === undefined) {
      const wanted = 'one that says how many classes it has, in userDefinedMetadata.dit.numClasses';
      throw new InvalidArgumentError('npm start', '--model', wanted, settings.model);
    }
    this.labels = spreadLabels(PICTURES, classes);
  }

  async draw(name: string, from: tf.GraphModel) {
    const { pictures, stepMs } = await drawn(name, from, this.labels, this.settings, this.signal);
    this.sheet.startRow(name);
    await this.sheet.add(pictures);
    const values = pictures.dataSync<'float32'>();
    pictures.dispose();
    return { values, stepMs };
  }

  png(): Uint8Array {
    return this.sheet.png();
  }
}
