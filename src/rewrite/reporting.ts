import type { Graph } from '../graph/ir.js';
import { weightBytes } from '../graph/weights.js';
import type { Treatment } from '../quantize/measured.js';
import type { Outcome, PlannedLinear } from '../quantize/plan.js';
import { storedBytes } from '../quantize/quantizeLinear.js';
import type { LinearFormat } from '../quantize/settings.js';
import type { Transform } from '../quantize/transform.js';
import type { PlacedLinear } from '../recognize/analysis.js';
import { maskText, type TokenMask } from '../recognize/tokenMask.js';
import type { LinearReport } from '../report/report.js';
import { codeQuantizer, notInIntegers } from './lowering.js';

/**
 * In the file: a linear's own, the transform's on the first linear that uses it, and of one that it
 * shares with others.
 */
export interface ChangedBytes {
  readonly own: number;
  readonly shared: number;
  readonly apart: number;
}

/** Where and in which mode the model runs. */
export interface Execution {
  readonly backend: string;
  readonly integer: boolean;
  /** Which tokens the mean is of that is taken out; null: all, or none is. */
  readonly mask: TokenMask | null;
  /** The first linear of those that share the transform. */
  readonly transformOf: string;
}

/** What the report says of a linear that was quantized. */
export function linearReport(
  outcome: Outcome,
  { own, shared, apart }: ChangedBytes,
  where: Execution,
): LinearReport {
  const { planned, settings, method, measured } = outcome;
  const { placed, quantized, activations } = planned;
  const weightOnly = settings.treatment === 'weightOnly';
  const [execution, reason] = executionOf(planned, where);
  const after = own + shared;
  const { at8Bits, atRanks } = measured;
  return {
    ...identity(placed),
    treatment: weightOnly ? 'weightOnly' : 'transformed',
    method: weightOnly ? null : method,
    ...(weightOnly
      ? {}
      : { parts: treatmentOf(planned.transform), transformOf: where.transformOf }),
    weightBits: bitsOf(settings.weights.format),
    activationBits: activations === null ? null : bitsOf(activations.format),
    rounding: quantized.rounding,
    execution,
    reason: reason + (weightOnly ? '' : withoutNote(outcome) + maskNote(where.mask)),
    bytes: { before: floatBytes(placed), after },
    ...measured,
    // with other bits it leaves the others of its site, for a transform of its own
    at8Bits: at8Bits && {
      ...at8Bits,
      bytes: at8Bits.bytes - storedBytes(quantized) + after + apart,
    },
    ...(atRanks && {
      atRanks: atRanks.map((other) => ({ ...other, bytes: after + other.bytes })),
    }),
  };
}

/** What the report says of a linear that was left alone, in the graph that came out. */
export function untouchedReport(placed: PlacedLinear, { weights }: Graph): LinearReport {
  const before = floatBytes(placed);
  const { weight, bias } = placed.linear;
  // half floats stay such in the file
  const [own, added] = [weight, bias?.weight].map((name) => name && weights.get(name));
  const after = own ? weightBytes(own) + (added ? weightBytes(added) : 0) : before;
  const reason = placed.role === 'other' ? placed.reason : 'left alone, as the options say';
  return {
    ...identity(placed),
    treatment: 'untouched',
    method: null,
    weightBits: null,
    activationBits: null,
    rounding: null,
    execution: 'float',
    reason,
    bytes: { before, after },
    sqnr: null,
    compared: {},
    at8Bits: null,
    byTimestep: [],
    channels: null,
  };
}

function identity({ linear, role }: PlacedLinear): Pick<LinearReport, 'name' | 'role' | 'shape'> {
  return { name: linear.name, role, shape: [linear.d, linear.n] };
}

function floatBytes({ linear }: PlacedLinear): number {
  return 4 * linear.d * linear.n + (linear.bias === null ? 0 : 4 * linear.n);
}

/** Bits of a code; null for numbers that are not quantized. */
function bitsOf(format: LinearFormat): number | null {
  switch (format.kind) {
    case 'float32':
      return null;
    case 'uniform':
      return format.bits;
    default:
      return format satisfies never;
  }
}

function treatmentOf({ parts, blockSize, branch }: Transform): Treatment {
  const beside = branch === null ? {} : { branch: branch.kind, lowRank: branch.rank };
  return { center: parts.center, scale: parts.scale, rotate: blockSize > 0, ...beside };
}

/** HadaNorm without a part of it is worth a word, and so is what could not be compared. */
function withoutNote(outcome: Outcome): string {
  const { settings, leftOut } = outcome;
  const less = lessHere(outcome);
  const plain = outcome.method === 'hadanorm' && outcome.planned.transform.blockSize === 0;
  const said = plain && settings.parts.rotate === false ? '; not rotated, as the options say' : '';
  const chosen = less.length > 0 ? `; ${less.join(', ')}, which measured no worse here` : '';
  if (leftOut === null) return chosen + said;
  const { why, rotation, methods } = leftOut;
  const missing = [
    ...(rotation ? ['not rotated'] : []),
    ...methods.map((one) => `${one} not measured`),
  ];
  return `${chosen}${said}; ${missing.join(', ')}: ${why}`;
}

/** What HadaNorm would do, and did not for it was measured. */
function lessHere({ method, planned, measured }: Outcome): string[] {
  const own = (measured.ways ?? []).filter((way) => way.method === method);
  if (method !== 'hadanorm') return [];
  const { center, scale, rotate } = treatmentOf(planned.transform);
  return [
    ...(center === 'none' && own.some((way) => way.center !== center) ? ['not centered'] : []),
    ...(scale === 'none' && own.some((way) => way.scale !== scale) ? ['not scaled'] : []),
    ...(!rotate && own.some((way) => way.rotate) ? ['not rotated'] : []),
  ];
}

function maskNote(mask: TokenMask | null): string {
  return mask === null ? '' : `; centered by the tokens with ${maskText(mask)}`;
}

/** How a linear runs, and why so. */
function executionOf(
  { quantized, activations, transform }: PlannedLinear,
  { backend, integer }: Execution,
): [LinearReport['execution'], string] {
  const { packed } = quantized;
  if (packed === null) return ['float', 'the weights are not quantized'];
  const simulated = (why: string): [LinearReport['execution'], string] => {
    return ['simulated', `${why}: packed weights are unpacked to float32 while the linear runs`];
  };
  if (activations === null) return simulated('activations are not quantized');
  if (!integer) return simulated("mode is 'simulate'");
  const quantizer = codeQuantizer(activations, transform.d);
  if (quantizer === null) return simulated('a range of the whole tensor gives no codes by token');
  const why = notInIntegers(backend, packed, quantizer);
  return why === null ? ['integer', `codes by packed codes on ${backend}`] : simulated(why);
}
