/** What follows the original's own trajectories: calibration, and the measurement of models. */
import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose } from '@tensorflow/tfjs-core';
import { type CalibrationStats, fuseGraphAsync } from 'tfjs-hadanorm';
import { calibrateOnTrajectories, collectTrajectory } from '../../../src/diffusion/calibration.js';
import { labelsOf, offered } from '../shared/choices.js';
import type { Settings } from '../shared/settings.js';
import { type RunContext, tellFigures, tellStage } from './context.js';
import { measuredPlots, type QuantizedModels } from './plots.js';
import { MEASURED, RECIPES } from './recipes.js';

/** Statistics of the original's own trajectories. */
export async function calibrated(
  context: RunContext,
  model: GraphModel,
): Promise<CalibrationStats> {
  const { settings, signal } = context;
  tellStage(context, 'calibrate', 0);
  // the same function, in half the time
  const fused = await fuseGraphAsync(model);
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

/** Output SQNR of every linear of both quantized models, on a few steps of the original. */
export async function measure(
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

/** Other noise than that of the pictures, with their guidance. */
function noiseOf({ guidance, seed }: Settings): { cfg: number; seed: number } {
  return { cfg: guidance, seed: (seed + 1) % 2 ** 32 };
}
