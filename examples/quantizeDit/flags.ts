import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { InvalidArgumentError, type Method } from 'tfjs-hadanorm';
import { type Bits, parseBits, parseInteger } from '../../src/cli/flags.js';
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

/**
 * Reads the command line, without Node and script. What the model is, is seen when it is loaded.
 *
 * @throws InvalidArgumentError for a flag that there is none of, or a value that does not fit.
 */
export function settingsOf(args: readonly string[]): Settings {
  const values = { ...DEFAULTS, ...parsed(args) };
  const bits = values.bits.split(',').map((name) => bitsOf(name.trim()));
  const names = new Set(bits.map(({ name }) => name));
  check('--bits', 'a list without repetition', values.bits, names.size === bits.length);
  const cfg = Number(values.cfg);
  check('--cfg', 'a number', values.cfg, values.cfg.trim() !== '' && Number.isFinite(cfg));
  const there = statSync(values.out || '.', { throwIfNoEntry: false });
  const isFolder = values.out !== '' && (there === undefined || there.isDirectory());
  check('--out', 'a folder', values.out, isFolder);
  return {
    model: values.model,
    bits,
    method: oneOf('--method', values.method, COMPARED_METHODS),
    steps: integer('--steps', values.steps, 1),
    solver: oneOf('--solver', values.solver, SOLVERS),
    cfg,
    seed: integer('--seed', values.seed, 0),
    out: values.out,
  };
}

function parsed(args: readonly string[]): Partial<Record<keyof Settings, string>> {
  const option = { type: 'string' } as const;
  const options = {
    model: option,
    bits: option,
    method: option,
    steps: option,
    solver: option,
    cfg: option,
    seed: option,
    out: option,
  } as const satisfies Readonly<Record<keyof Settings, typeof option>>;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    const wanted = Object.keys(options).map((name) => `--${name}`);
    const got = error instanceof Error ? error.message.replace(/\.$/, '') : `${error}`;
    throw new InvalidArgumentError('npm start', 'flags', wanted.join(', '), got);
  }
}

function bitsOf(name: string): Bits {
  const bits = parseBits(name);
  check('--bits', 'a list such as W4A8,W4A4, of 2 to 8 bits', name, bits !== null);
  return bits!;
}

function oneOf<T extends string>(flag: string, value: string, known: readonly T[]): T {
  const found = known.find((one) => one === value);
  check(flag, known.join(' or '), value, found !== undefined);
  return found!;
}

function integer(flag: string, text: string, min: number): number {
  const value = parseInteger(text, min);
  check(flag, `an integer ≥ ${min}, below 2^32`, text, value !== null);
  return value!;
}

function check(flag: string, wanted: string, got: string, right: boolean): void {
  if (!right) throw new InvalidArgumentError('npm start', flag, wanted, got || 'nothing');
}
