import type { GraphModel } from '@tensorflow/tfjs-converter';
import { fetchValues } from '../../../ops/common/alive.js';
import { sample } from '../../../src/diffusion/sampler.js';
import { medianStep } from '../../../src/diffusion/stepTime.js';
import { labelsOf, offered } from '../shared/choices.js';
import { rgbaOf } from '../shared/pixels.js';
import type { Column } from '../shared/protocol.js';
import { type RunContext, tellStage } from './context.js';

/** Pictures of a model, and what drawing them took. */
export interface Drawn {
  /** [pictures, S, S, 3] in [−1, 1], give or take. */
  readonly values: Float32Array;
  /** Median time of a step, in milliseconds, until its values were read. */
  readonly stepMs: number;
}

/** Draws the run's pictures with one of its models, and shows them after every step. */
export async function draw(context: RunContext, column: Column, model: GraphModel): Promise<Drawn> {
  const { run, settings, signal, tell } = context;
  const { steps, solver, guidance, seed, pictures } = settings;
  const stage = `draw ${column}` as const;
  tellStage(context, stage, 0);
  const times: number[] = [];
  let began = performance.now();
  let values: Float32Array = new Float32Array();
  const onStep = async (samples: Awaited<ReturnType<typeof sample>>, step: number) => {
    values = await fetchValues<'float32'>(stage, samples);
    times.push(performance.now() - began);
    const side = samples.shape[1];
    const shown = rgbaOf(values, pictures);
    tell({ kind: 'frame', run, column, step, steps, side, pictures: shown });
    tellStage(context, stage, step / steps);
    began = performance.now();
  };
  const labels = labelsOf(settings.label, pictures, offered(settings.model).classes.length);
  const options = { labels, steps, solver, cfg: guidance, seed, signal, onStep };
  (await sample(model, options)).dispose();
  return { values, stepMs: medianStep(times) };
}
