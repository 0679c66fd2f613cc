import { parseArgs } from 'node:util';
import { type Bits, parseBits, parseInteger } from '../../../src/cli/flags.js';
import { InvalidArgumentError, type Method } from '../../../src/index.js';
import { STRESSED, TRAINED, type TrainedName } from '../../load.js';
import {
  EVALUATED_METHODS,
  type EvaluationPlan,
  OFFLINE_BATCH,
  PLAN_DEFAULTS,
  type Rounding,
} from './plan.js';

/** What the command line asks for: an evaluation, or the documentation of evaluations. */
export type Command =
  | { readonly kind: 'evaluate'; readonly plan: EvaluationPlan }
  | { readonly kind: 'docs'; readonly files: readonly string[] };

const MODELS: readonly string[] = [...TRAINED, ...STRESSED];
const ROUNDINGS: readonly string[] = ['auto', 'nearest', 'gptq'] satisfies Rounding[];

const OPTIONS = {
  model: { type: 'string', default: PLAN_DEFAULTS.model },
  methods: { type: 'string', default: PLAN_DEFAULTS.methods.join(',') },
  bits: { type: 'string', default: PLAN_DEFAULTS.bits.join(',') },
  rounding: { type: 'string', default: PLAN_DEFAULTS.rounding },
  samples: { type: 'string', default: `${PLAN_DEFAULTS.samples}` },
  steps: { type: 'string', default: `${PLAN_DEFAULTS.steps}` },
  seed: { type: 'string', default: `${PLAN_DEFAULTS.seed}` },
  offline: { type: 'boolean', default: false },
  count: { type: 'string', default: `${PLAN_DEFAULTS.count}` },
  replicates: { type: 'string', default: `${PLAN_DEFAULTS.replicates}` },
  json: { type: 'string' },
  cache: { type: 'string', default: PLAN_DEFAULTS.cache },
  sheet: { type: 'string' },
  docs: { type: 'boolean', default: false },
} as const;

/**
 * Reads the command line, without node and script.
 *
 * @throws InvalidArgumentError for a flag that does not fit, TypeError for one that there is none
 * of.
 */
export function commandOf(args: readonly string[]): Command {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
  });
  if (values.docs) {
    const wanted = 'followed by the files that --json wrote';
    if (positionals.length === 0) throw invalid('--docs', wanted, 'none');
    return { kind: 'docs', files: positionals };
  }
  if (positionals.length > 0) throw invalid('flags', 'of the form --name', positionals.join(' '));
  const plan: EvaluationPlan = {
    model: oneOf('--model', values.model, MODELS) as TrainedName,
    methods: listOf(values.methods).map(
      (name) => oneOf('--methods', name, EVALUATED_METHODS) as Method,
    ),
    bits: listOf(values.bits).map(bitsOf),
    rounding: oneOf('--rounding', values.rounding, ROUNDINGS) as Rounding,
    samples: integer('--samples', values.samples, 2),
    steps: integer('--steps', values.steps, 1),
    seed: integer('--seed', values.seed, 0),
    offline: values.offline,
    count: integer('--count', values.count, OFFLINE_BATCH),
    replicates: integer('--replicates', values.replicates, 2),
    json: values.json ?? null,
    cache: values.cache,
    sheet: values.sheet ?? null,
  };
  if (plan.count % OFFLINE_BATCH !== 0) {
    throw invalid('--count', `a multiple of ${OFFLINE_BATCH}`, values.count);
  }
  return { kind: 'evaluate', plan };
}

function bitsOf(name: string): Bits {
  const bits = parseBits(name);
  if (bits === null) throw invalid('--bits', 'a list such as W8A8,W4A4, of 2 to 8 bits', name);
  return bits;
}

function listOf(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}

function oneOf(flag: string, value: string, names: readonly string[]): string {
  if (!names.includes(value)) throw invalid(flag, `among ${names.join(', ')}`, value);
  return value;
}

function integer(flag: string, text: string, min: number): number {
  const value = parseInteger(text, min);
  if (value === null) throw invalid(flag, `an integer ≥ ${min}`, text);
  return value;
}

function invalid(argument: string, wanted: string, got: string): InvalidArgumentError {
  return new InvalidArgumentError('evaluate', argument, wanted, got === '' ? 'nothing' : got);
}
