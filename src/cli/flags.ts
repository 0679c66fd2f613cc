import { parseArgs } from 'node:util';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { Reader, Wrong } from './readers.js';

/** A flag of a command, and what it means where it is absent. */
export interface Flag<T> {
  readonly kind: 'one' | 'many' | 'switch';
  /** For a usage line. */
  readonly shown: string;
  readonly optional: boolean;
  readonly read: (texts: readonly string[], wrong: Wrong) => T;
  readonly wanted: string;
}

/** The flags of a command by name, without the dashes. */
export type Flags = Readonly<Record<string, Flag<unknown>>>;

/** What a command line says. */
export interface Read<F extends Flags> {
  readonly values: { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };
  /** The flags that were there. */
  readonly given: ReadonlySet<keyof F>;
  /** What is no flag, such as files. */
  readonly others: readonly string[];
}

/** How the command line as a whole is read. */
export interface ReadOptions {
  /** What else there may be, for a usage line, such as 'FILE …'. Default: nothing. */
  readonly others?: string;
}

/**
 * Reads a command line, without Node and script.
 *
 * @param command Its name, for errors.
 * @throws InvalidArgumentError for a flag that there is none of, or a value that does not fit.
 */
export function readFlags<F extends Flags>(
  command: string,
  flags: F,
  args: readonly string[],
  { others = '' }: ReadOptions = {},
): Read<F> {
  const { texts, positionals } = parsed(command, flags, args, others !== '');
  const values = Object.entries(flags).map(([name, flag]) => {
    const wrong: Wrong = (got, wanted = flag.wanted) => {
      throw new InvalidArgumentError(command, `--${name}`, wanted, got || 'nothing');
    };
    return [name, flag.read(texts.get(name) ?? [], wrong)];
  });
  return {
    values: Object.fromEntries(values) as Read<F>['values'],
    given: new Set(texts.keys()),
    others: positionals,
  };
}

/** The flags in a line: `[FILE …] [--model NAME] [--offline]`. */
export function usageOf(flags: Flags, { others = '' }: ReadOptions = {}): string {
  const parts = Object.entries(flags).map(([name, { kind, shown, optional }]) => {
    const value = kind === 'switch' ? '' : ` ${shown}`;
    const text = `--${name}${value}${kind === 'many' ? ' …' : ''}`;
    return optional ? `[${text}]` : text;
  });
  return [...(others === '' ? [] : [`[${others}]`]), ...parts].join(' ');
}

/** What `read` gives; where flags are wrong it says so, and the process ends with code 2. */
export function orExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    console.error(error.message);
    return process.exit(2);
  }
}

/** A flag with a text; absent it is as if `absent` had been written, and without that null. */
export function flag<T>(reader: Reader<T>, absent: string): Flag<T>;
export function flag<T>(reader: Reader<T>): Flag<T | null>;
export function flag<T>({ shown, wanted, read }: Reader<T>, absent?: string): Flag<T | null> {
  return {
    ...{ kind: 'one', shown, wanted, optional: true },
    read: ([text = absent], wrong) => (text === undefined ? null : read(text, wrong)),
  };
}

/** A flag with a text that has to be there. */
export function needed<T>({ shown, wanted, read }: Reader<T>): Flag<T> {
  return {
    ...{ kind: 'one', shown, wanted, optional: false },
    read: ([text], wrong) => (text === undefined ? wrong('none') : read(text, wrong)),
  };
}

/** A flag with a text that may be there again and again. */
export function repeated<T>({ shown, wanted, read }: Reader<T>): Flag<readonly T[]> {
  return {
    ...{ kind: 'many', shown, wanted, optional: true },
    read: (texts, wrong) => texts.map((text) => read(text, wrong)),
  };
}

/** A flag that is there or not. */
export const SWITCH: Flag<boolean> = {
  ...{ kind: 'switch', shown: '', wanted: 'given or not', optional: true },
  read: (texts) => texts.length > 0,
};

/** The texts of each flag that is there, and what is none. */
function parsed(command: string, flags: Flags, args: readonly string[], allowPositionals: boolean) {
  const options = Object.entries(flags).map(([name, { kind }]) => {
    const type = kind === 'switch' ? ('boolean' as const) : ('string' as const);
    return [name, { type, multiple: kind === 'many' }] as const;
  });
  try {
    const { values, positionals } = parseArgs({
      ...{ args: [...args], options: Object.fromEntries(options), allowPositionals },
    });
    const given = Object.entries(values).map(([name, value]): [string, string[]] => {
      return [name, [value ?? []].flat().map((one) => `${one}`)];
    });
    return { texts: new Map(given), positionals };
  } catch (error) {
    const wanted = Object.keys(flags).map((name) => `--${name}`);
    const got = error instanceof Error ? error.message.replace(/\.$/, '') : `${error}`;
    throw new InvalidArgumentError(command, 'flags', wanted.join(', '), got);
  }
}
