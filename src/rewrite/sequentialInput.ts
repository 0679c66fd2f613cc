import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { WatchOptions } from '../../ops/common/progress.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { hasControlFlow } from '../calibrate/controlFlow.js';
import {
  type CalibrateOptions,
  type CalibrateSettings,
  checkCalibrateOptions,
} from '../calibrate/settings.js';
import { sitesOf } from '../calibrate/targets.js';
import { type Batch, checkBatches } from '../feed/batch.js';
import { graphOfModel, weightsOnHost } from '../graph/model.js';
import { analyze } from '../recognize/analysis.js';
import { inNormalForm } from '../recognize/normalize/normalize.js';
import { type AnyModel, givenModel } from '../trace/given.js';
import { KeptBatches } from './keptBatches.js';
import type { SequentialInput } from './sequential.js';
import { boundaryBytes, pairBytes } from './sequentialMemory.js';

/** Batches that are kept for sequential rewrites; to be disposed of. */
export interface OpenSequential extends SequentialInput {
  readonly dispose: () => void;
}

/**
 * Takes the batches of a sequential rewrite.
 * @throws InvalidArgumentError for wrong options or batches, for a model whose run cannot be cut
 * into parts, and where more memory would be needed than is allowed; AbortedError when cancelled.
 */
export async function openSequential(
  op: string,
  given: AnyModel,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  { disposeBatches = false, ...options }: CalibrateOptions,
  watch: WatchOptions,
): Promise<OpenSequential> {
  const settings = checkCalibrateOptions(op, { ...options, disposeBatches });
  checkBatches(op, batches);
  const { model, done } = givenModel(op, given);
  let kept: KeptBatches | null = null;
  const dispose = () => {
    kept?.dispose();
    done();
  };
  try {
    await weightsOnHost(op, model, 'all');
    checkMemory(op, model, settings, null);
    kept = new KeptBatches(op, model, graphOfModel(op, model), settings);
    await kept.takeAll(batches, disposeBatches, watch);
    checkMemory(op, model, settings, kept.size);
    checkResume(op, settings, kept.inputs.length);
    return { op, model, batches: kept, settings, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** @param size Of the batches; null before they are there. */
function checkMemory(
  op: string,
  model: GraphModel,
  settings: CalibrateSettings,
  size: KeptBatches['size'] | null,
): void {
  const graph = graphOfModel(op, model);
  if (hasControlFlow(graph)) {
    const wanted = 'false for a model with control flow, which runs as a whole alone';
    throw new InvalidArgumentError(op, 'sequential', wanted, 'true');
  }
  const bytes = inNormalForm(op, graph, (normal) => {
    const analysis = analyze(normal);
    const targets = sitesOf(analysis.linears, settings.hessian, new Map());
    const between = size === null ? 0 : size.bytes + boundaryBytes(analysis, size.samples);
    return pairBytes(targets, settings) + between;
  });
  if (bytes <= settings.maxBytes) return;
  const wanted = `enough: ${settings.maxBytes} allowed`;
  const wayOut = 'Give fewer batches, lower means or samples, set hessian: false, or raise it.';
  throw new InvalidArgumentError(op, 'maxBytes', wanted, `${bytes} bytes needed`, wayOut);
}

/** Whether statistics can be gone on from; those of sites of another model, rewriting refuses. */
function checkResume(op: string, { resume, ...keep }: CalibrateSettings, batches: number): void {
  if (resume === null) return;
  const alike = (['means', 'samples', 'tokensPerSample'] as const).every(
    (name) => keep[name] === resume.keep[name],
  );
  const sequential = [...resume.sites.values()].every(({ original }) => original !== undefined);
  if (alike && sequential && resume.batches === batches) return;
  const wanted = 'statistics of a sequential calibration on the same batches, by the same options';
  const got = sequential
    ? `those of ${resume.batches} batches, or by other options`
    : 'those of another calibration';
  throw new InvalidArgumentError(op, 'resume', wanted, got, 'Start without it.');
}
