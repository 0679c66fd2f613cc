import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { Bits } from '../../../src/cli/values.js';
import {
  quantize,
  type RewriteOptions,
  type RewriteResult,
  rewriteGraphAsync,
} from '../../../src/index.js';
import type { WithBar } from '../../progress.js';
import type { Sheet } from '../../sheet.js';
import type { FeatureNetwork, FeatureReference } from '../features.js';
import { type ConfigurationName, configured, isSequential } from './configurations.js';
import type { ResampledSet } from './distances.js';
import { type SampledFeatures, sampledFeatures } from './featureCache.js';
import { RealPictures } from './offline.js';
import { measurePaired, pairedRuns } from './paired.js';
import { type EvaluationPlan, OFFLINE_BATCH } from './plan.js';
import {
  type EvaluationFile,
  type OfflineRow,
  type PairedRow,
  type RowKey,
  sameRow,
} from './rows.js';
import {
  CALIBRATION_RUNS,
  calibrationBatches,
  disposeSubject,
  type KeptStatistics,
  prepareSubject,
  type Subject,
  TAKEN,
} from './subject.js';

/** What is evaluated, and how it is watched. */
export interface EvaluationInput {
  readonly plan: EvaluationPlan;
  /** Stays the caller's, as the network does. */
  readonly model: GraphModel;
  readonly network: FeatureNetwork;
  /** Needed by part (d) alone. */
  readonly reference: () => Promise<FeatureReference>;
  /** Rows that are there already: they are not measured again. */
  readonly known: EvaluationFile;
  /** Of the calibration, between runs. */
  readonly kept: KeptStatistics;
  /** Gets the pictures of every configuration, which are drawn again for it. */
  readonly sheet: Sheet | null;
  readonly signal: AbortSignal;
  readonly withBar: WithBar;
  readonly onPaired: (row: PairedRow) => Promise<void>;
  readonly onOffline: (row: OfflineRow) => Promise<void>;
}

/**
 * Measures every configuration at every bit-width where there is one, a row at a time.
 *
 * All get the same calibration; they are evaluated on noise that calibration did not see.
 *
 * @throws The signal's reason, or an AbortError, when aborted; rows that were handed out stay
 * right.
 */
export async function evaluate(input: EvaluationInput): Promise<void> {
  const { plan, model, network, sheet, signal, withBar } = input;
  const { samples, steps, seed } = plan;
  const options = { name: plan.model, samples, steps, seed, kept: input.kept };
  const runs = CALIBRATION_RUNS + Math.ceil(samples / 16) * steps;
  const subject = await withBar(`${plan.model}: calibrate and draw`, runs, (onRun) =>
    prepareSubject(model, network, options, { signal, onRun }),
  );
  try {
    sheet?.startRow('fp32');
    for (const { pictures } of subject.recordings) await sheet?.add(pictures);
    const offline = plan.offline ? await prepareOffline(input, subject) : null;
    for (const bits of plan.bits) {
      for (const name of plan.configurations) {
        await evaluateConfiguration(input, subject, offline, name, bits);
      }
    }
  } finally {
    disposeSubject(subject);
  }
}

/** What part (d) compares with. */
interface Offline {
  readonly real: RealPictures;
  readonly originals: ResampledSet;
}

/** Draws the original's samples; gives out the rows of the floor and of the original. */
async function prepareOffline(input: EvaluationInput, subject: Subject): Promise<Offline> {
  const { plan, known, onOffline } = input;
  const real = new RealPictures(await input.reference(), plan);
  const whole = { ...keyOf(plan), bits: null };
  const floor: RowKey = { ...whole, configuration: 'real' };
  if (sameRow(known.offline, { ...floor, count: real.count }) === undefined) {
    await onOffline({ ...floor, ...(await real.floor()) });
  }
  const sampled = await drawOffline(input, subject, subject.fused, `${plan.model}-fp32`);
  const own: RowKey = { ...whole, configuration: 'fp32' };
  if (sameRow(known.offline, { ...own, count: plan.count }) === undefined) {
    await onOffline({ ...own, ...(await real.figures(sampled, null)) });
  }
  return { real, originals: real.setOf(sampled.features, 'samples') };
}

async function evaluateConfiguration(
  input: EvaluationInput,
  subject: Subject,
  offline: Offline | null,
  configuration: ConfigurationName,
  bits: Bits,
): Promise<void> {
  const options = configured(configuration, bits);
  if (options === null) return;
  const { plan, known, sheet, signal, withBar, onPaired, onOffline } = input;
  const key: RowKey = { ...keyOf(plan), configuration, bits: bits.name };
  const { samples, count } = plan;
  const paired = sheet !== null || sameRow(known.paired, { ...key, samples }) === undefined;
  const farther = offline !== null && sameRow(known.offline, { ...key, count }) === undefined;
  if (!paired && !farther) return;
  const name = `${plan.model} ${configuration} ${bits.name}`;
  const small = await quantized(input, subject, configuration, options, name);
  try {
    if (paired) {
      sheet?.startRow(`${configuration} ${bits.name}`);
      const figures = await withBar(`${name}: (a)–(c)`, pairedRuns(subject), (onRun) =>
        measurePaired(subject, small, { signal, onRun }, async (pictures) => sheet?.add(pictures)),
      );
      await onPaired({ ...key, samples, ...figures });
    }
    if (offline !== null && farther) {
      const files = `${plan.model}-${configuration}-${bits.name}`;
      const sampled = await drawOffline(input, subject, small.model, files);
      await onOffline({ ...key, ...(await offline.real.figures(sampled, offline.originals)) });
    }
  } finally {
    small.model.dispose();
  }
}

async function quantized(
  { signal, withBar }: EvaluationInput,
  { model, stats }: Subject,
  configuration: ConfigurationName,
  options: Omit<RewriteOptions, 'stats'>,
  name: string,
): Promise<RewriteResult> {
  const given = { ...options, compare: false, signal };
  if (!isSequential(configuration)) {
    return withBar(`${name}: quantize`, 1, (advance) =>
      rewriteGraphAsync(model, { ...given, stats, onProgress: ({ total }) => advance(total) }),
    );
  }
  return withBar(`${name}: calibrate and quantize`, CALIBRATION_RUNS, (onRun) =>
    quantize(model, calibrationBatches(model, { signal, onRun }), {
      ...given,
      // all is said by the options
      preset: { description: name, options: {} },
      sequential: true,
      calibrate: TAKEN,
    }),
  );
}

function drawOffline(
  { plan, network, signal, withBar }: EvaluationInput,
  { classes }: Subject,
  model: GraphModel,
  name: string,
): Promise<SampledFeatures> {
  const { count, steps, seed, cache } = plan;
  return withBar(`${name}: (d)`, (count / OFFLINE_BATCH) * steps, (onRun) =>
    sampledFeatures(
      model,
      network,
      { name, cache, classes, count, steps, seed },
      { signal, onRun },
    ),
  );
}

function keyOf({ model, steps, seed, backend }: EvaluationPlan) {
  return { model, steps, seed, backend };
}
