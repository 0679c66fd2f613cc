import { statSync } from 'node:fs';
import type { Method } from 'tfjs-hadanorm';
import { flag, readFlags } from '../../src/cli/flags.js';
import { bits, integer, listOf, NUMBER, oneOf, type Reader, text } from '../../src/cli/readers.js';
import type { Bits } from '../../src/cli/values.js';
import { SOLVERS, type Solver } from '../../src/diffusion/sampler.js';

/** What the command line asks for. */
export interface Settings {
  /** A trained model's name, or the path or URL of a model.json. */
  readonly model: string;
  readonly bits: readonly Bits[];
  readonly method: Exclude<Method, 'rtn'> | 'auto';
  readonly steps: number;
  readonly solver: Solver;
  /** Guidance; 1 is none. */
  readonly cfg: number;
  /** Of the noise that pictures begin at. */
  readonly seed: number;
  /** Folder that the results are written into. */
  readonly out: string;
}

/** What an absent flag means. */
export const DEFAULTS = {
  model: 'avatars-nano',
  bits: 'W4A8,W4A4',
  method: 'hadanorm',
  steps: '20',
  solver: 'euler',
  cfg: '1',
  seed: '7',
  out: 'out',
} as const satisfies Readonly<Record<keyof Settings, string>>;

/** What rounding to nearest, which is always there, is compared with. */
const COMPARED_METHODS = [
  'hadanorm',
  'centered',
  'hadamard',
  'smoothquant',
  'auto',
] as const satisfies readonly Settings['method'][];

const BITS: Reader<readonly Bits[]> = {
  ...listOf(bits('W4A8,W4A4')),
  read: (given, wrong) => {
    const all = listOf(bits('W4A8,W4A4')).read(given, wrong);
    const names = new Set(all.map(({ name }) => name));
    return names.size === all.length ? all : wrong(given, 'a list without repetition');
  },
};

/** A folder that is there, or can be. */
const FOLDER: Reader<string> = {
  ...{ shown: 'FOLDER', wanted: 'a folder' },
  read: (given, wrong) => {
    if (given === '') return wrong(given);
    const there = statSync(given, { throwIfNoEntry: false });
    return there === undefined || there.isDirectory() ? given : wrong(given);
  },
};

const FLAGS = {
  model: flag(text('NAME'), DEFAULTS.model),
  bits: flag(BITS, DEFAULTS.bits),
  method: flag(oneOf(COMPARED_METHODS), DEFAULTS.method),
  steps: flag(integer(1, 'an integer ≥ 1, below 2^32'), DEFAULTS.steps),
  solver: flag(oneOf(SOLVERS), DEFAULTS.solver),
  cfg: flag(NUMBER, DEFAULTS.cfg),
  seed: flag(integer(0, 'an integer ≥ 0, below 2^32'), DEFAULTS.seed),
  out: flag(FOLDER, DEFAULTS.out),
};

/** What `npm start -- --help` says. */
export const HELP = `npm start -- [FLAGS]

Quantizes a trained diffusion transformer by rounding to nearest and with HadaNorm, draws with both
and with the original from the same noise, and writes pictures, a report and the packed models.

  --model NAME      avatars-nano, avatars, fashion, avatars-nano-stress, or the path or URL of a
                    model.json; default ${DEFAULTS.model}
  --bits LIST       bits of weights and activations; default ${DEFAULTS.bits}
  --method NAME     ${COMPARED_METHODS.join(', ')}; default ${DEFAULTS.method}
  --steps N         of the sampler, from noise to pictures; default ${DEFAULTS.steps}
  --solver NAME     ${SOLVERS.join(', ')}; default ${DEFAULTS.solver}
  --cfg NUMBER      guidance, 1 for none; default ${DEFAULTS.cfg}
  --seed N          of the noise; default ${DEFAULTS.seed}
  --out FOLDER      for what it writes, all at the end or nothing; default ${DEFAULTS.out}

npm start -- --model avatars --bits W8A8,W4A4 --method auto --solver heun --cfg 1.5`;

/**
 * Reads the command line, without Node and script. What the model is, is seen when it is loaded.
 *
 * @throws InvalidArgumentError for a flag that there is none of, or a value that does not fit.
 */
export function settingsOf(args: readonly string[]): Settings {
  return readFlags('npm start', FLAGS, args).values;
}
