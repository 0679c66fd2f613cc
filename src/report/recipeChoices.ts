import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { comparable } from '../math/decibels.js';
import { groupBy } from '../math/groups.js';
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

/** Linears that share a branch, which has one rank. */
export interface Site {
  readonly linears: readonly Choice[];
  /** Its branch now; of rank 0 where it has none, or none that the report knows. */
  readonly now: Pick<Treatment, 'branch'> & { readonly lowRank: number };
  /** Other ranks that were measured, ascending. */
  readonly ranks: readonly SiteRank[];
}

/** A site with a branch of another rank. */
export interface SiteRank {
  readonly lowRank: number;
  /** By linear. */
  readonly outputs: readonly number[];
  /** More than now, which may be less than 0; by linear, with what they share on the first. */
  readonly extraBytes: readonly number[];
}

/**
 * What a recipe may change: linears to 8 bits, and ranks of sites.
 * @throws InvalidArgumentError for a report in which there are none, or nothing was measured.
 */
export function sitesOf({ linears, method }: QuantizationReport, op = 'recommendRules'): Site[] {
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
  const sites = groupBy(transformed, ({ name, transformOf }) => transformOf ?? name);
  return [...sites.values()].map((own) => siteOf(own, method === 'auto'));
}

function siteOf(linears: readonly LinearReport[], auto: boolean): Site {
  const [{ parts, atRanks = [] }] = linears as [LinearReport];
  const ranks = atRanks.flatMap(({ lowRank }): SiteRank[] => {
    const all = linears.map((linear) => ({
      now: linear.bytes.after,
      there: linear.atRanks?.find((other) => other.lowRank === lowRank),
    }));
    if (all.some(({ there }) => there === undefined)) return [];
    const extraBytes = all.map(({ now, there }) => there!.bytes - now);
    return [{ lowRank, outputs: all.map(({ there }) => comparable(there!.output)), extraBytes }];
  });
  return {
    linears: linears.map((linear) => choiceOf(linear, auto)),
    now: {
      lowRank: parts?.lowRank ?? 0,
      ...(parts?.branch === undefined ? {} : { branch: parts.branch }),
    },
    ranks: ranks.sort((a, b) => a.lowRank - b.lowRank),
  };
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

/**
 * The rotation stays open where it adds nothing to the file: its signs are in the scale. The branch
 * does not: of twice the bytes, rank 'auto' would take twice as many.
 */
function keptParts({ center, scale, rotate, ...beside }: Treatment): Partial<Treatment> {
  const plain = scale === 'none' && !rotate ? { rotate } : {};
  return { center, scale, ...plain, lowRank: 0, ...beside };
}
