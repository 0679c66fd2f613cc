import { checkInteger } from '../../ops/common/checks.js';
import {
  type CalibrateOptions,
  checkCalibrateOptions,
  type Target,
} from '../calibrate/settings.js';
import { memoryOf, sitesOf } from '../calibrate/targets.js';
import type { Ref } from '../graph/ir.js';
import { graphOfModel } from '../graph/model.js';
import { type Analysis, analyze, type PlacedLinear } from '../recognize/analysis.js';
import { inNormalForm } from '../recognize/normalize/normalize.js';
import type { ShapedView } from '../shapes/view.js';
import { type AnyModel, withGiven } from '../trace/given.js';
import { Frontier } from './frontier.js';
import { levelsOf } from './levels.js';

/**
 * The bytes that a sequential calibration takes at most, before it runs: statistics, and what of
 * all samples stays on the device between two parts of a run, as far as the model tells shapes.
 * The batches themselves come on top.
 *
 * @param samples Of all batches together.
 * @throws InvalidArgumentError for a wrong model or option.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { quantize, sequentialMemory } from 'tfjs-hadanorm';
 * import { tinyDit, tinyInputs } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const batches = [0.1, 0.5, 0.9].map((t) => tinyInputs([t, t])); // kept until it is done
 * console.log(sequentialMemory(model, 6), 'bytes');
 * const { model: small, report } = await quantize(model, batches, { sequential: true });
 * console.log(report.notes);
 * ```
 */
export function sequentialMemory(
  model: AnyModel,
  samples: number,
  options: CalibrateOptions = {},
): number {
  const op = 'sequentialMemory';
  checkInteger(op, 'samples', samples, 1);
  const settings = checkCalibrateOptions(op, options);
  return withGiven(op, model, (graphModel) => {
    const analysis = inNormalForm(op, graphOfModel(op, graphModel), analyze);
    const targets = sitesOf(analysis.linears, settings.hessian, new Map());
    return pairBytes(targets, settings) + boundaryBytes(analysis, samples);
  });
}

/** Bytes of the statistics: of the quantized model, and what they hold of the original. */
export function pairBytes(
  targets: readonly Target[],
  settings: ReturnType<typeof checkCalibrateOptions>,
): number {
  const { means, samples, tokensPerSample } = settings;
  const kept = 4 * (means + samples * tokensPerSample);
  return targets.reduce(
    (sum, { site: { d }, hessian }) => {
      return sum + d * (8 + kept) + (hessian ? 8 * d * d + 4 * d * (d + 1) : 0);
    },
    memoryOf(targets, settings),
  );
}

/** Bytes of what is kept between two parts, of both models, where that is most. */
export function boundaryBytes({ view, linears }: Analysis, samples: number): number {
  const { graph } = view;
  const groups = linears.filter(({ role }) => role !== 'other').map((placed) => [{ placed }]);
  const levels = levelsOf(graph, groups);
  const frontier = new Frontier(graph.inputs);
  const sizes = levels.map((level, at) => {
    const wanted = refsOf(level.flat());
    const later = refsOf(levels.slice(at).flat(2));
    const { kept } = frontier.advance(graph, wanted, later);
    return kept.reduce((sum, ref) => sum + sizeOf(view, ref, samples), 0);
  });
  return 2 * 4 * Math.max(0, ...sizes);
}

function refsOf(linears: readonly { readonly placed: PlacedLinear }[]): Ref[] {
  return linears.flatMap(({ placed: { site } }) => siteRefs(site));
}

/** What a site is seen by. */
export function siteRefs({ source, like }: PlacedLinear['site']): Ref[] {
  return like === null ? [source] : [source, like];
}

function sizeOf(view: ShapedView, ref: Ref, samples: number): number {
  const shape = view.shapeOf(ref) ?? [];
  const known = shape.filter((dim) => dim >= 0).reduce((size, dim) => size * dim, 1);
  return shape[0] === undefined || shape[0] >= 0 ? known : known * samples;
}
