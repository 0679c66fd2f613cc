import { InvalidArgumentError as UsageError } from 'commander';

/** Readers of what stands behind a flag; what does not fit is a wrong use of the command. */
export const readInteger =
  (min: number, max = 2 ** 32 - 1) =>
  (text: string): number => {
    const value = Number(text);
    const right = text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max;
    return right ? value : refuse(`an integer from ${min} to ${max}`);
  };

export function readNumber(text: string): number {
  const value = Number(text);
  return text.trim() !== '' && Number.isFinite(value) ? value : refuse('a number');
}

/** Integers with commas between them. */
export function readIntegers(text: string): number[] {
  return text.split(',').map(readInteger(0));
}

/** Bytes, such as 3500000, 3.5MB or 3.5 MB; powers of 1000. */
export function readBytes(text: string): number {
  const [, number, unit] = /^([\d.]+)\s*(|B|kB|MB|GB)$/i.exec(text.trim()) ?? [];
  const power = ['', 'kb', 'mb', 'gb'].indexOf((unit ?? '').toLowerCase().replace(/^b$/, ''));
  const bytes = Number(number) * 1000 ** Math.max(power, 0);
  return Number.isFinite(bytes) ? Math.floor(bytes) : refuse('a size such as 3500000 or 3.5MB');
}

/** One of several parts of the same work. */
export interface Shard {
  /** From 1. */
  readonly index: number;
  readonly count: number;
}

/** A shard such as 2/8. */
export function readShard(text: string): Shard {
  const [, index, count] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  const right = index !== undefined && count !== undefined && index >= 1 && index <= count;
  return right ? { index, count } : refuse('such as 2/8, the second of eight');
}

function refuse(wanted: string): never {
  throw new UsageError(`It must be ${wanted}.`);
}
