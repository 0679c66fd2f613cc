import type { Tensor } from '@tensorflow/tfjs-core';
import { throwIfAborted } from '../../ops/common/callers.js';
import { HadaNormError } from '../../ops/numerics/errors.js';
import { modelFromTensors } from '../graph/model.js';
import type { Task } from '../quantize/plan.js';
import type { RewriteOptions } from '../rewrite/options.js';
import { withPreset } from '../rewrite/presetOptions.js';
import type { Preset, PresetName } from '../rewrite/presets.js';
import type { RewriteResult } from '../rewrite/rewriteGraph.js';
import {
  type PreparedRewrite,
  prepareRewrite,
  quantizeSteps,
  type RewrittenGraph,
} from '../rewrite/steps.js';
import { Arriving } from './arriving.js';
import type { Need } from './net/net.js';
import { LOAD_OPTIONS, type LoadCheckpointOptions, type Opened, withPlan } from './opening.js';
import type { CheckpointSource } from './source/open.js';

/** Options of `quantizeCheckpoint`: those of `rewriteGraph` go over the preset's. */
export interface QuantizeCheckpointOptions extends LoadCheckpointOptions, RewriteOptions {
  /** One of `PRESETS` by its name, or one of your own. Default 'W4A8'. */
  readonly preset?: PresetName | Preset;
}

const REWRITE_OPTIONS = [
  ...['preset', 'method', 'weights', 'activations', 'center', 'meanRank', 'scale', 'alpha'],
  ...['rotate', 'signs', 'lowRank', 'blockSize', 'stats', 'rules', 'weightOnly', 'mode', 'fuse'],
  ...['tokenMask', 'seed', 'compare'],
];

/**
 * Loads a published checkpoint and quantizes it while it comes: `loadCheckpoint` and `rewriteGraph`
 * in one, a linear's weights packed as soon as they are there and then let go, so that the float32
 * model never exists whole.
 *
 * Without statistics the method is `hadamard` (rotate, no calibration), or `rtn` where it is asked
 * for; with `stats`, made once on the same checkpoint loaded whole, any. Progress is of both
 * stages, 'load' after each tensor and 'quantize' after each linear.
 *
 * @throws What `loadCheckpoint` and `rewriteGraph` throw.
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import '@tensorflow/tfjs';
 * import { saveQuantized } from 'tfjs-hadanorm';
 * import { quantizeCheckpoint } from 'tfjs-hadanorm/load';
 * import { checkpointFiles, fileSystem } from 'tfjs-hadanorm/node';
 *
 * const folder = checkpointFiles('test/fixtures/checkpoints/dit');
 * const { model, report } = await quantizeCheckpoint(folder, { preset: 'W4A8' });
 * console.log(report.totals);
 * await saveQuantized(model, fileSystem(await mkdtemp(join(tmpdir(), 'small-'))));
 * ```
 */
export async function quantizeCheckpoint(
  source: CheckpointSource,
  options: QuantizeCheckpointOptions = {},
): Promise<RewriteResult> {
  const op = 'quantizeCheckpoint';
  return withPlan(op, source, options, [...LOAD_OPTIONS, ...REWRITE_OPTIONS], async (opened) => {
    const { preset, stats, ...rest } = options;
    const rewriting = Object.fromEntries(
      Object.entries(rest).filter(([name]) => REWRITE_OPTIONS.includes(name)),
    );
    const usual = stats === undefined ? { method: 'hadamard' as const } : { stats };
    const wanted = { compare: false, ...usual, ...withPreset(op, preset, rewriting) };
    const weights = new Arriving(opened, op);
    const prepared = prepareRewrite(op, () => weights.graph, wanted);
    try {
      return await quantized(op, opened, weights, prepared);
    } catch (error) {
      prepared.builder.dispose();
      weights.dispose();
      throw error;
    }
  });
}

/** Linears that are quantized together, and where in the order of reading their last weight is. */
interface Group {
  readonly tasks: readonly Task[];
  readonly weights: readonly string[];
  readonly last: number;
}

async function quantized(
  op: string,
  { plan, watch }: Opened,
  weights: Arriving,
  prepared: PreparedRewrite,
): Promise<RewriteResult> {
  const { needs } = plan;
  const { signal, onProgress } = watch;
  const groups = inOrderOfReading(prepared, needs);
  const consumed = new Set(groups.flatMap((group) => group.weights));
  const steps = quantizeSteps(
    prepared,
    groups.map(({ tasks }) => tasks),
  );
  let next = 0;
  const quantizeUpTo = async (read: number) => {
    for (; next < groups.length && groups[next]!.last < read; next++) {
      const group = groups[next]!;
      for (let i = 0; i < group.tasks.length; i++) {
        throwIfAborted(op, signal);
        const step = steps.next();
        if (!step.done) onProgress?.(step.value);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      weights.drop(group.weights);
    }
  };
  try {
    await quantizeUpTo(0);
    for (const [i, need] of needs.entries()) {
      throwIfAborted(op, signal);
      await weights.read(need, !consumed.has(need.weight));
      onProgress?.({ stage: 'load', done: i + 1, total: needs.length, name: need.from.key });
      await quantizeUpTo(i + 1);
    }
    throwIfAborted(op, signal);
    const last = steps.next();
    if (!last.done) throw new HadaNormError(op, `${last.value.name} was not expected.`);
    return await finished(prepared, weights, last.value);
  } finally {
    steps.return(undefined as never);
  }
}

/** The groups in the order in which they are complete. */
function inOrderOfReading({ groups }: PreparedRewrite, needs: readonly Need[]): Group[] {
  const order = new Map(needs.map(({ weight }, i) => [weight, i]));
  return groups
    .map((tasks) => {
      const weights = tasks.flatMap(({ placed: { linear } }) =>
        linear.bias === null ? [linear.weight] : [linear.weight, linear.bias.weight],
      );
      return { tasks, weights, last: Math.max(...weights.map((name) => order.get(name) ?? -1)) };
    })
    .sort((a, b) => a.last - b.last);
}

async function finished(
  { builder }: PreparedRewrite,
  weights: Arriving,
  { graph, report }: RewrittenGraph,
): Promise<RewriteResult> {
  const tensors: Record<string, Tensor> = {};
  try {
    for (const name of graph.weights.keys()) {
      tensors[name] = builder.tensors.get(name) ?? (await weights.take(name));
    }
    const model = modelFromTensors(graph, tensors);
    // what one pass made another may have replaced
    for (const [name, made] of builder.tensors) if (!graph.weights.has(name)) made.dispose();
    weights.dispose();
    return { model, report };
  } catch (error) {
    for (const made of Object.values(tensors)) made.dispose();
    throw error;
  }
}
