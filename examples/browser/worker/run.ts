import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose } from '@tensorflow/tfjs-core';
import {
  type CalibrationStats,
  fuseGraph,
  InvalidArgumentError,
  type QuantizationReport,
} from 'tfjs-hadanorm';
import { calibrateOnTrajectories, collectTrajectory } from '../../../src/diffusion/calibration.js';
import { labelsOf, methodTitle, offered } from '../shared/choices.js';
import type { Settings } from '../shared/settings.js';
import { useBackend } from './backends.js';
import { type RunContext, tellFigures, tellStage } from './context.js';
import { draw } from './draw.js';
import { gpuBytes, likenessTo, weightBytes } from './figures.js';
import { openPacked } from './modelStore.js';
import { layerPlots, measuredPlots, type QuantizedModels } from './plots.js';
import { fileBytesOf, quantize } from './quantize.js';
import { MEASURED, RECIPES } from './recipes.js';

/** A report to be had as a page, and its title. */
export interface TitledReport {
  readonly title: string;
  readonly report: QuantizationReport;
}

/**
 * One run: the original denoises first, so that there is something to see; then come rounding to
 * nearest and the method, or a packed model, all from the same noise. Nothing of it stays in
 * memory.
 *
 * @returns The method's report; null for a packed model, which was not quantized here.
 * @throws An AbortError, when it is aborted; errors of tfjs and of this package.
 */
export async function runOnce(context: RunContext): Promise<TitledReport | null> {
  const { run, settings, base, signal, store, tell } = context;
  tellStage(context, 'backend', 0);
  const text = await useBackend(settings.backend, base);
  signal.throwIfAborted();
  tell({ kind: 'engine', run, text });
  const onProgress = (share: number) => tellStage(context, 'download', share);
  onProgress(0);
  const opened = await store.openOriginal(settings.model, base, { signal, onProgress });
  const original = opened.model;
  try {
    tellFigures(context, 'fp32', {
      fileBytes: opened.fileBytes,
      weightBytes: weightBytes(original),
    });
    const { values, stepMs } = await draw(context, 'fp32', original);
    tellFigures(context, 'fp32', { stepMs, gpuBytes: gpuBytes() });
    const follow = settings.source === 'quantize' ? quantizeHere : openSmall;
    return await follow(context, original, values);
  } finally {
    original.dispose();
  }
}

/** Calibrates the original, and quantizes it twice. */
async function quantizeHere(
  context: RunContext,
  original: GraphModel,
  exact: Float32Array,
): Promise<TitledReport> {
  const { run, settings, tell } = context;
  const stats = await calibrated(context, original);
  const rounded = await quantize(context, 'rtn', original, stats, async ({ model, report }) => {
    await drawColumn(context, 'rtn', model, exact, (await fileBytesOf(model)).bytes);
    return report;
  });
  const report = await quantize(context, 'small', original, stats, async (made) => {
    tell({ kind: 'plots', run, plots: await layerPlots(made.report, rounded) });
    const { files, bytes } = await fileBytesOf(made.model);
    await drawColumn(context, 'small', made.model, exact, bytes);
    tell({ kind: 'packed', run, files });
    return made.report;
  });
  const title = `${settings.model}, ${methodTitle(settings.method)} at ${settings.bits}`;
  return { title, report };
}

/** Opens a packed model beside the original rounded to nearest, and measures both. */
async function openSmall(
  context: RunContext,
  original: GraphModel,
  exact: Float32Array,
): Promise<null> {
  const { settings, files, base, signal } = context;
  const onProgress = (share: number) => tellStage(context, 'open small', share);
  onProgress(0);
  const where = { files, address: settings.packed, base };
  const { model: small, fileBytes } = await openPacked(where, { signal, onProgress });
  try {
    checkFits(original, small);
    await quantize(context, 'rtn', original, null, async ({ model, report }) => {
      await drawColumn(context, 'rtn', model, exact, (await fileBytesOf(model)).bytes);
      await drawColumn(context, 'small', small, exact, fileBytes);
      await measure(context, original, { report, rounded: model, small });
    });
  } finally {
    small.dispose();
  }
  return null;
}

/** Output SQNR of every linear of both quantized models, on a few steps of the original. */
async function measure(
  context: RunContext,
  original: GraphModel,
  models: QuantizedModels,
): Promise<void> {
  const { run, settings, signal, tell } = context;
  const onProgress = (share: number) => tellStage(context, 'measure', share);
  onProgress(0);
  const { samples, steps, keep } = MEASURED;
  const classes = offered(settings.model).classes.length;
  const batches = await collectTrajectory(original, {
    labels: labelsOf('all', samples, classes),
    noneLabel: classes,
    steps,
    keep,
    ...noiseOf(settings),
    signal,
  });
  try {
    const measured = await measuredPlots(original, models, batches, { signal, onProgress });
    tell({ kind: 'plots', run, plots: measured.plots });
    tellFigures(context, 'rtn', measured.rtn);
    tellFigures(context, 'small', measured.small);
  } finally {
    dispose(batches);
  }
}

async function drawColumn(
  context: RunContext,
  column: 'rtn' | 'small',
  model: GraphModel,
  exact: Float32Array,
  fileBytes: number,
): Promise<void> {
  tellFigures(context, column, { fileBytes, weightBytes: weightBytes(model) });
  const { values, stepMs } = await draw(context, column, model);
  const psnr = likenessTo(exact, values, context.settings.pictures);
  tellFigures(context, column, { stepMs, gpuBytes: gpuBytes(), psnr });
}

/** Statistics of the original's own trajectories. */
async function calibrated(context: RunContext, model: GraphModel): Promise<CalibrationStats> {
  const { settings, signal } = context;
  tellStage(context, 'calibrate', 0);
  // the same function, in half the time
  const fused = fuseGraph(model);
  try {
    return await calibrateOnTrajectories(fused, {
      recipe: RECIPES[settings.calibration],
      along: fused,
      ...noiseOf(settings),
      signal,
      onProgress: ({ done, total }) => tellStage(context, 'calibrate', done / total),
    });
  } finally {
    fused.dispose();
  }
}

/** Other noise than that of the pictures, with their guidance. */
function noiseOf({ guidance, seed }: Settings): { cfg: number; seed: number } {
  return { cfg: guidance, seed: (seed + 1) % 2 ** 32 };
}

/** @throws InvalidArgumentError for a packed model that cannot take the original's place. */
function checkFits(original: GraphModel, small: GraphModel): void {
  const shapes = ({ inputs }: GraphModel) =>
    inputs
      .map(({ name, shape }) => `${name} [${shape}]`)
      .sort()
      .join(', ');
  const [wanted, got] = [shapes(original), shapes(small)];
  if (wanted === got) return;
  const wayOut = 'Choose the model that it was made from.';
  throw new InvalidArgumentError('Packed model', 'its inputs', wanted, got, wayOut);
}
