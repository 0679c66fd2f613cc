import { parseInteger } from '../../../src/cli/values.js';
import type { Solver } from '../../../src/diffusion/options.js';
import {
  BACKENDS,
  type BackendName,
  BITS,
  type BitsName,
  CALIBRATIONS,
  type Calibration,
  CHECKS,
  type Check,
  MAX_GUIDANCE,
  MAX_PICTURES,
  MAX_STEPS,
  type MethodName,
  MODELS,
  type ModelName,
  OFFERED_METHODS,
  offered,
  SOLVERS,
  SOURCES,
  type Source,
} from './choices.js';

/** All that a run depends on, and a share link holds; files that were picked are not in it. */
export interface Settings {
  readonly model: ModelName;
  readonly backend: BackendName;
  readonly source: Source;
  readonly bits: BitsName;
  readonly method: MethodName;
  readonly calibration: Calibration;
  /** URL of a packed model's model.json, for source `packed`; '' where files are picked. */
  readonly packed: string;
  /** The class of all pictures, or as many different ones as there are pictures. */
  readonly label: number | 'all';
  readonly pictures: number;
  readonly steps: number;
  readonly solver: Solver;
  /** Guidance; 1 is none. */
  readonly guidance: number;
  /** Of the noise that pictures begin at. */
  readonly seed: number;
  /** Whether a few layers are compared with their definition first, as `selfCheck` does. */
  readonly check: Check;
}

/** What the page shows at first, and what takes the place of a bad value in a link. */
export const DEFAULTS: Settings = {
  model: 'avatars-nano',
  backend: 'wasm',
  source: 'quantize',
  bits: 'W4A8',
  method: 'hadanorm',
  calibration: 'quick',
  packed: '',
  label: 'all',
  pictures: 4,
  steps: 8,
  solver: 'euler',
  guidance: 1,
  seed: 7,
  check: 'on',
};

/** What a link says, and what in it was not understood, in words. */
export interface ReadLink {
  readonly settings: Settings;
  readonly notes: readonly string[];
}

/** How each setting is read; null for what does not fit, and what would have. */
const FIELDS: { readonly [K in keyof Settings]: Field<Settings[K]> } = {
  model: oneOf(namesOf(MODELS)),
  backend: oneOf(namesOf(BACKENDS)),
  source: oneOf(SOURCES),
  bits: oneOf(BITS),
  method: oneOf(namesOf(OFFERED_METHODS)),
  calibration: oneOf(CALIBRATIONS),
  packed: { wanted: 'an http or https address', parse: parseAddress },
  label: {
    wanted: "all, or the number of one of the model's classes",
    parse: (text) => (text === 'all' ? text : parseInteger(text, 0)),
  },
  pictures: integer(1, MAX_PICTURES),
  steps: integer(1, MAX_STEPS),
  solver: oneOf(namesOf(SOLVERS)),
  guidance: { wanted: `a number from 0 to ${MAX_GUIDANCE}`, parse: parseGuidance },
  seed: integer(0, 2 ** 32 - 1),
  check: oneOf(CHECKS),
};

/**
 * Reads values by name, such as a form's; what is missing or does not fit is the default, with a
 * note if it was there.
 */
export function readSettings(values: { get(name: string): string | null }): ReadLink {
  const notes: string[] = [];
  const settings: Settings = { ...DEFAULTS };
  const read = <K extends keyof Settings>(name: K) => {
    const text = values.get(name);
    if (text === null) return;
    const { wanted, parse } = FIELDS[name];
    const value = parse(text.trim());
    if (value === null) {
      notes.push(
        `${name} must be ${wanted}, got ${shown(text)}: ${DEFAULTS[name] || 'none'} is used`,
      );
    } else (settings as { -readonly [P in keyof Settings]: Settings[P] })[name] = value;
  };
  for (const name of Object.keys(FIELDS) as (keyof Settings)[]) read(name);
  const { label, model } = settings;
  if (label === 'all' || label < offered(model).classes.length) return { settings, notes };
  notes.push(`${model} has no class ${label}: all is used`);
  return { settings: { ...settings, label: 'all' }, notes };
}

/** Reads a link's part behind the #. */
export function readLink(hash: string): ReadLink {
  const values = new URLSearchParams(hash.replace(/^#/, ''));
  const { settings, notes } = readSettings(values);
  const unknown = [...values.keys()].filter((name) => !Object.hasOwn(FIELDS, name));
  return { settings, notes: [...notes, ...unknown.map((name) => `there is no ${shown(name)}`)] };
}

/** A link's part behind the #, without it: all that differs from the defaults, and the seed. */
export function linkOf(settings: Settings): string {
  const values = new URLSearchParams();
  for (const name of Object.keys(FIELDS) as (keyof Settings)[]) {
    if (settings[name] !== DEFAULTS[name] || name === 'model' || name === 'seed') {
      values.set(name, `${settings[name]}`);
    }
  }
  return values.toString();
}

/** How one setting is read. */
interface Field<T> {
  /** For a note: what is right. */
  readonly wanted: string;
  parse(text: string): T | null;
}

function oneOf<T extends string>(known: readonly T[]): Field<T> {
  return {
    wanted: known.join(' or '),
    parse: (text) => known.find((one) => one === text) ?? null,
  };
}

function integer(min: number, max: number): Field<number> {
  return {
    wanted: `an integer from ${min} to ${max}`,
    parse: (text) => {
      const value = parseInteger(text, min);
      return value !== null && value <= max ? value : null;
    },
  };
}

function parseGuidance(text: string): number | null {
  const value = Number(text);
  return text !== '' && value >= 0 && value <= MAX_GUIDANCE ? value : null;
}

/** Nothing, or an address relative to the page or of the web; never of another scheme. */
function parseAddress(text: string): string | null {
  if (text === '') return text;
  const url = URL.canParse(text, 'https://page.invalid/') && new URL(text, 'https://page.invalid/');
  return url && /^https?:$/.test(url.protocol) ? text : null;
}

function namesOf<T extends string>(all: readonly { readonly name: T }[]): readonly T[] {
  return all.map(({ name }) => name);
}

function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text || 'nothing';
}
