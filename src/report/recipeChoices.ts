import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { comparable } from '../math/decibels.js';
import type { Treatment } from '../quantize/measured.js';
import type { Method } from '../quantize/methods.js';
import type { LinearReport, QuantizationReport } from './report.js';

/** A transformed linear as it is, and with 8 bits. */
export interface Choice {
  readonly name: string;
  readonly now: number;
  /** Never less than `now`: a linear that 8 bits do not help stays as it is. */
  readonly at8Bits: number;
  readonly extraBytes: number;
  /** How it is treated now. */
  readonly kept: Partial<Treatment> & { readonly method?: Method };
}

/**
 * The linears that a recipe may keep in 8 bits.
 * @throws InvalidArgumentError for a report in which there are none, or nothing was measured.
 */
export function choicesOf(
  { linears, method }: QuantizationReport,
  op = 'recommendRules',
): Choice[] {
  const transformed = linears.filter(({ treatment }) => treatment === 'transformed');
  if (transformed.length === 0) {
    const wanted = 'of a model with transformed linears';
    throw new InvalidArgumentError(op, 'report', wanted, 'one with none');
  }
  const unknown = transformed.filter(({ sqnr, at8Bits }) => sqnr === null || at8Bits === null);
  if (unknown.length > 0) {
    const names = describe(unknown.slice(0, 3).map(({ name }) => name));
    const got = `one without them for ${unknown.length} of ${transformed.length}, such as ${names}`;
    const wayOut = 'Calibrate the model, and rewrite it with these statistics.';
    const wanted = 'with the SQNR of every transformed linear';
    throw new InvalidArgumentError(op, 'report', wanted, got, wayOut);
  }
  return transformed.map((linear) => choiceOf(linear, method === 'auto'));
}

function choiceOf(linear: LinearReport, auto: boolean): Choice {
  const { name, sqnr, at8Bits, bytes } = linear;
  const now = comparable(sqnr!.output);
  const extraBytes = at8Bits!.bytes - bytes.after;
  const kept = {
    ...(linear.parts === undefined ? {} : keptParts(linear.parts)),
    ...(auto && linear.method !== null ? { method: linear.method } : {}),
  };
  return { name, now, at8Bits: Math.max(now, comparable(at8Bits!.output)), extraBytes, kept };
}

/** The rotation stays open where it adds nothing to the file: its signs are in the scale. */
function keptParts({ center, scale, rotate }: Treatment): Partial<Treatment> {
  return scale === 'none' && !rotate ? { center, scale, rotate } : { center, scale };
}
