import * as tf from '@tensorflow/tfjs';
import { buildDit, type DitConfig } from '../../../models/builder/dit.js';
import { loadTrained } from '../../../models/load.js';
import { DIT_S_2, DIT_XL_2, seededDitWeights } from '../../../models/seeded.js';
import {
  CALIBRATION,
  calibrateOnTrajectories,
  collectTrajectory,
} from '../../../src/diffusion/calibration.js';
import { seededNormal } from '../../../src/diffusion/sampler.js';
import {
  type Batch,
  type CalibrationStats,
  calibrate,
  evaluateLinears,
  type Method,
  type QuantizationReport,
  type RewriteOptions,
  rewriteGraph,
} from '../../../src/index.js';
import { mean } from '../../../src/math/decibels.js';
import { groupBy } from '../../../src/math/groups.js';
import { backends } from '../backends/backends.js';

/** A model with data to calibrate on and other data to measure on. */
export interface Subject {
  readonly name: string;
  readonly model: tf.GraphModel;
  readonly stats: CalibrationStats;
  readonly heldOut: readonly Batch[];
}

/** The models that the bars of the project are measured on. */
export const SUBJECTS = ['avatars', 'avatars-nano', 'S', 'XL'] as const;
export type SubjectName = (typeof SUBJECTS)[number];

/**
 * A trained model on its own denoising trajectories (16 samples × 5 times; 8 others × 5 times to
 * measure on), or one seeded block of DiT-S/2 or DiT-XL/2 on noise (10 × 4 samples; 5 × 2 others).
 */
export async function subject(name: SubjectName): Promise<Subject> {
  return name === 'S' || name === 'XL' ? seededSubject(name) : trainedSubject(name);
}

async function trainedSubject(name: 'avatars' | 'avatars-nano'): Promise<Subject> {
  const model = await loadTrained(name);
  const stats = await calibrateOnTrajectories(model, { seed: 5, along: model });
  const { steps, keep } = CALIBRATION;
  const labels = [1, 3, 5, 7, 9, 11, 13, 15];
  const heldOut = await collectTrajectory(model, { labels, steps, keep, seed: 77 });
  return { name, model, stats, heldOut };
}

async function seededSubject(name: 'S' | 'XL'): Promise<Subject> {
  const config: DitConfig = { ...(name === 'S' ? DIT_S_2 : DIT_XL_2), depth: 1 };
  const artifacts = buildDit(config, seededDitWeights(config, 3));
  const model = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
  const batch = (seed: number, samples: number): Batch => ({
    latent: seededNormal([samples, 32, 32, 4], seed),
    timestep: tf.fill([samples], ((seed % 5) + 0.5) / 5),
    label: tf.tensor1d(
      Array.from({ length: samples }, (_, i) => (seed * 131 + i * 97) % 1000),
      'int32',
    ),
  });
  const seen = Array.from({ length: 10 }, (_, i) => batch(100 + i, 4));
  const stats = await calibrate(model, seen, { timestep: 'timestep', disposeBatches: true });
  const heldOut = Array.from({ length: 5 }, (_, i) => batch(150 + i, 2));
  return { name: `DiT-${name}/2 block`, model, stats, heldOut };
}

/** Sets tfjs-node where it is there, else WASM: what is measured does not depend on it. */
export async function setFastestBackend(): Promise<void> {
  const node = backends.find(({ name }) => name === 'tensorflow');
  await tf.setBackend(node !== undefined && node.missing === undefined ? 'tensorflow' : 'wasm');
}

/** How one method did on the linears of the blocks. */
export interface MethodResult {
  readonly method: Method | 'auto';
  /** Output SQNR in dB on data that was not calibrated on, by linear. */
  readonly outputs: ReadonlyMap<string, number>;
  readonly roles: ReadonlyMap<string, string>;
  readonly report: QuantizationReport;
}

/**
 * Quantizes with a method and measures every transformed linear, through the rewritten graph
 * itself.
 */
export async function measureMethod(
  { model, stats, heldOut }: Subject,
  options: RewriteOptions,
): Promise<MethodResult> {
  // products of the dequantized codes in float32: outputs that differ by quantization alone, on any
  // backend
  const how = { stats, compare: false, mode: 'simulate', fuse: false } as const;
  const { model: small, report } = rewriteGraph(model, { ...how, ...options });
  try {
    const transformed = new Set(
      report.linears.filter(({ treatment }) => treatment === 'transformed').map(({ name }) => name),
    );
    const all = await evaluateLinears(model, small, heldOut);
    const kept = all.filter(({ name }) => transformed.has(name));
    return {
      method: report.method,
      outputs: new Map(kept.map(({ name, output }) => [name, output])),
      roles: new Map(kept.map(({ name, role }) => [name, role])),
      report,
    };
  } finally {
    small.dispose();
  }
}

/** Mean over the linears, dB. */
export function meanOutput({ outputs }: MethodResult): number {
  return mean([...outputs.values()]);
}

/** Mean over the linears of each role, dB. */
export function roleMeans({ outputs, roles }: MethodResult): Map<string, number> {
  const byRole = groupBy(outputs, ([name]) => roles.get(name)!);
  return new Map([...byRole].map(([role, own]) => [role, mean(own.map(([, output]) => output))]));
}

/** The share of linears in which `a` is at least as good as `b`. */
export function shareAtLeast(a: MethodResult, b: MethodResult): number {
  const names = [...a.outputs.keys()];
  return names.filter((name) => a.outputs.get(name)! >= b.outputs.get(name)!).length / names.length;
}

/** Packed size of the transformed linears as a share of float32. */
export function transformedRatio({ report }: MethodResult): number {
  const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
  const sum = (when: 'before' | 'after') =>
    transformed.reduce((total, { bytes }) => total + bytes[when], 0);
  return sum('after') / sum('before');
}
