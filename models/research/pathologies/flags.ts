import { parseArgs } from 'node:util';
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

/** @throws InvalidArgumentError for flags that there are none of, or that do not fit together. */
export function commandOf(args: readonly string[]): Command {
  const { values, positionals: files } = parsed(args);
  const { model = MODELS[0], weights, heads, json } = values;
  if (values.docs === true) {
    check('--docs', 'followed by files that --json wrote', 'none', files.length > 0);
    const others = Object.keys(values).filter((flag) => flag !== 'docs');
    check('--docs', 'given without other flags', `--${others[0]}`, others.length === 0);
    return { kind: 'docs', files };
  }
  const known = MODELS.find((name) => name === model);
  check('--model', MODELS.join(' or '), model, known !== undefined);
  if (weights === undefined) {
    check(
      '--weights',
      'given with --heads, or with files',
      heads ?? `${files[0]}`,
      heads === undefined && files.length === 0,
    );
    return { kind: 'measure', model: known!, weights: null, json: json ?? null };
  }
  const count = Number(heads);
  check(
    '--heads',
    'an integer ≥ 1 with --weights',
    heads ?? 'none',
    Number.isInteger(count) && count >= 1,
  );
  return {
    kind: 'measure',
    model: known!,
    weights: { files: [weights, ...files], heads: count },
    json: json ?? null,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        model: { type: 'string' },
        weights: { type: 'string' },
        heads: { type: 'string' },
        json: { type: 'string' },
        docs: { type: 'boolean' },
      },
    });
  } catch (error) {
    const got = error instanceof Error ? error.message : `${error}`;
    throw new InvalidArgumentError('pathologies', 'flags', 'those that it has', got);
  }
}

function check(argument: string, wanted: string, got: string, right: boolean): void {
  if (!right) throw new InvalidArgumentError('pathologies', argument, wanted, got);
}
