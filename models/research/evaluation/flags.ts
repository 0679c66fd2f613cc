import { flag, readFlags, SWITCH } from '../../../src/cli/flags.js';
import { bits, integer, listOf, oneOf, type Reader, text } from '../../../src/cli/readers.js';
import { InvalidArgumentError } from '../../../src/index.js';
import { STRESSED, TRAINED } from '../../load.js';
import { CONFIGURATION_NAMES, configured } from './configurations.js';
import { BACKENDS, type EvaluationPlan, OFFLINE_BATCH, PLAN_DEFAULTS } from './plan.js';

/** What the command line asks for: an evaluation, or the documentation of evaluations. */
export type Command =
  | { readonly kind: 'evaluate'; readonly plan: EvaluationPlan }
  | { readonly kind: 'docs'; readonly files: readonly string[] };

/** Whole batches of part (d). */
const BATCHES: Reader<number> = {
  ...integer(OFFLINE_BATCH),
  read: (given, wrong) => {
    const count = integer(OFFLINE_BATCH).read(given, wrong);
    return count % OFFLINE_BATCH === 0 ? count : wrong(given, `a multiple of ${OFFLINE_BATCH}`);
  },
};

const FLAGS = {
  model: flag(among([...TRAINED, ...STRESSED]), PLAN_DEFAULTS.model),
  configurations: flag(listOf(among(CONFIGURATION_NAMES)), PLAN_DEFAULTS.configurations.join(',')),
  bits: flag(listOf(bits('W8A8,W4A4')), PLAN_DEFAULTS.bits.join(',')),
  samples: flag(integer(2), `${PLAN_DEFAULTS.samples}`),
  steps: flag(integer(1), `${PLAN_DEFAULTS.steps}`),
  seed: flag(integer(0), `${PLAN_DEFAULTS.seed}`),
  offline: SWITCH,
  count: flag(BATCHES, `${PLAN_DEFAULTS.count}`),
  replicates: flag(integer(2), `${PLAN_DEFAULTS.replicates}`),
  backend: flag(among(BACKENDS), PLAN_DEFAULTS.backend),
  json: flag(text('FILE')),
  cache: flag(text('FOLDER'), PLAN_DEFAULTS.cache),
  statistics: flag(text('FOLDER')),
  sheet: flag(text('PNG')),
  docs: SWITCH,
};

/**
 * Reads the command line, without node and script.
 *
 * @throws InvalidArgumentError for a flag that does not fit, or that there is none of.
 */
export function commandOf(args: readonly string[]): Command {
  const { values, others } = readFlags('evaluate', FLAGS, args, { others: 'FILE …' });
  const { docs, ...plan } = values;
  if (docs) {
    if (others.length === 0) throw invalid('--docs', 'followed by the files that --json wrote', '');
    return { kind: 'docs', files: others };
  }
  if (others.length > 0) throw invalid('flags', 'of the form --name', others.join(' '));
  const nowhere = plan.configurations.find((name) =>
    plan.bits.every((one) => configured(name, one) === null),
  );
  if (nowhere !== undefined) {
    const wanted = 'such as there are at one of --bits: presets are of W8A8, W4A8 and W4A4';
    const got = `${nowhere} at ${plan.bits.map(({ name }) => name).join(', ')}`;
    throw invalid('--configurations', wanted, got);
  }
  return { kind: 'evaluate', plan };
}

function among<T extends string>(names: readonly T[]): Reader<T> {
  return oneOf(names, `among ${names.join(', ')}`);
}

function invalid(argument: string, wanted: string, got: string): InvalidArgumentError {
  return new InvalidArgumentError('evaluate', argument, wanted, got || 'none');
}
