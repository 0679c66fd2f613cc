import { checkCallback, checkSignal } from '../../ops/common/callers.js';
import { checkPlain } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { checkAlive } from '../graph/model.js';
import type { VelocityModel } from './model.js';
import type { TrajectoryOptions } from './options.js';
import { SOLVERS, type Solver } from './options.js';

/** More than anyone waits for. */
const MAX_STEPS = 2 ** 20;

/** Options of the sampler, checked and filled in. */
export interface SamplePlan {
  /** [B, S, S, C]. */
  readonly shape: readonly [number, number, number, number];
  readonly labels: readonly number[];
  readonly steps: number;
  readonly solver: Solver;
  readonly seed: number;
  readonly guidance?: { readonly cfg: number; readonly none: number };
  readonly keep: ReadonlySet<number>;
}

/** @throws InvalidArgumentError for options that do not fit the model. */
export function planOf(op: string, model: VelocityModel, options: TrajectoryOptions): SamplePlan {
  checkSamplable(op, model);
  checkPlain(op, 'options', options);
  checkSignal(op, options.signal);
  checkCallback(op, 'onProgress', options.onProgress);
  const check = (argument: string, wanted: string, got: unknown, right: boolean) => {
    if (!right) throw new InvalidArgumentError(op, argument, wanted, textOf(got));
  };
  const { labels, steps = 20, solver = 'euler', seed = 0, cfg = 1 } = options;
  const none = options.noneLabel ?? numClassesOf(model);
  check('noneLabel', 'an integer ≥ 0', none, none === undefined || isIndex(none, Infinity));
  const range = none === undefined ? 'integers ≥ 0' : `integers in [0, ${none}]`;
  const isLabel = (label: unknown) => isIndex(label, none === undefined ? Infinity : none + 1);
  const right = Array.isArray(labels) && labels.length > 0 && labels.every(isLabel);
  check('labels', `one or more ${range}`, labels, right);
  check('steps', 'an integer ≥ 1', steps, isIndex(steps, Infinity) && steps >= 1);
  check('steps', `at most ${MAX_STEPS}`, steps, steps <= MAX_STEPS);
  check('solver', SOLVERS.join(' or '), solver, SOLVERS.includes(solver));
  check('seed', 'an integer in [0, 2^32)', seed, isIndex(seed, 2 ** 32));
  check('cfg', 'a finite number', cfg, Number.isFinite(cfg));
  const keep = options.keep ?? Array.from({ length: steps }, (_, step) => step);
  const isStep = (step: unknown) => isIndex(step, steps);
  const steppable = Array.isArray(keep) && keep.length > 0 && keep.every(isStep);
  check('keep', `one or more integers in [0, ${steps - 1}]`, keep, steppable);
  const latent = model.inputs.find(({ name }) => name === 'latent')?.shape;
  const axes = latent === undefined ? latent : `${latent}`;
  check('model', 'one with an input latent of four axes', axes, latent?.length === 4);
  const [, height, width, channels] = latent as [number, number, number, number];
  const plan = {
    shape: [labels.length, height, width, channels] as const,
    labels: [...labels],
    steps,
    solver,
    seed,
    keep: new Set(keep),
  };
  if (cfg === 1) return plan;
  check('noneLabel', 'given for guidance by this model', none, none !== undefined);
  return { ...plan, guidance: { cfg, none: none! } };
}

/** The classes of a model that says its DitConfig. */
export function numClassesOf({ metadata = {} }: VelocityModel): number | undefined {
  const dit: unknown = 'dit' in metadata ? metadata.dit : undefined;
  if (typeof dit !== 'object' || dit === null || !('numClasses' in dit)) return undefined;
  return typeof dit.numClasses === 'number' ? dit.numClasses : undefined;
}

/** What a graph model has, whose weights are there. */
function checkSamplable(op: string, model: unknown): void {
  const given: object = model !== null && typeof model === 'object' ? model : {};
  const inputs = 'inputs' in given && Array.isArray(given.inputs);
  if (!inputs || !('predict' in given) || typeof given.predict !== 'function') {
    const wanted = 'a model with inputs and predict, as tf.loadGraphModel gives it';
    throw new InvalidArgumentError(op, 'model', wanted, describe(model));
  }
  checkAlive(op, given);
}

/** For messages, with nothing that could throw. */
function textOf(got: unknown): string {
  if (got === undefined || got === null) return 'none';
  if (typeof got !== 'object' || Array.isArray(got)) {
    return Array.isArray(got) ? describe(got) : typeof got === 'symbol' ? describe(got) : `${got}`;
  }
  return describe(got);
}

function isIndex(value: unknown, end: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < end;
}
