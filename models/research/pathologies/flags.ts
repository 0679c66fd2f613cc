import { flag, readFlags, SWITCH } from '../../../src/cli/flags.js';
import { integer, oneOf, text } from '../../../src/cli/readers.js';
import { InvalidArgumentError } from '../../../src/index.js';
import { MODELS, type ModelName } from './results.js';

/** What `npm run pathologies` is asked for: to measure a model, or to write the docs. */
export type Command =
  | {
      readonly kind: 'measure';
      readonly model: ModelName;
      /** Safetensors in the place of the model's own weights. */
      readonly weights: { readonly files: readonly string[]; readonly heads: number } | null;
      readonly json: string | null;
    }
  | { readonly kind: 'docs'; readonly files: readonly string[] };

const HEADS = 'an integer ≥ 1 with --weights';

const FLAGS = {
  model: flag(oneOf(MODELS), MODELS[0]),
  weights: flag(text('FILE')),
  heads: flag(integer(1, HEADS)),
  json: flag(text('FILE')),
  docs: SWITCH,
};

/** @throws InvalidArgumentError for flags that there are none of, or that do not fit together. */
export function commandOf(args: readonly string[]): Command {
  const {
    values,
    given,
    others: files,
  } = readFlags('pathologies', FLAGS, args, {
    others: 'FILE …',
  });
  const { model, weights, heads, json } = values;
  if (values.docs) {
    check('--docs', 'followed by files that --json wrote', 'none', files.length > 0);
    const others = [...given].filter((name) => name !== 'docs');
    check('--docs', 'given without other flags', `--${others[0]}`, others.length === 0);
    return { kind: 'docs', files };
  }
  if (weights === null) {
    const wanted = 'given with --heads, or with files';
    check('--weights', wanted, `${heads ?? files[0]}`, heads === null && files.length === 0);
    return { kind: 'measure', model, weights: null, json };
  }
  check('--heads', HEADS, 'none', heads !== null);
  return { kind: 'measure', model, weights: { files: [weights, ...files], heads: heads! }, json };
}

function check(argument: string, wanted: string, got: string, right: boolean): void {
  if (!right) throw new InvalidArgumentError('pathologies', argument, wanted, got);
}
