import type { Demands } from '../webgpu/limits.js';

/** What tells the programs apart. */
export interface AttentionSpec extends AttentionTile {
  readonly [field: string]: number | boolean;
  readonly channels: number;
  readonly valueChannels: number;
  readonly masked: boolean;
  readonly aligned: boolean; // channels and places are multiples of 4
}

/** How a workgroup shares the work. */
export interface AttentionTile {
  readonly queries: number; // of a workgroup, a multiple of 4
  readonly keys: number; // of a tile, a multiple of the team
  /** Invocations that share queries: each has every so many keys, and channels of the values. */
  readonly team: number;
  /** Weights of so many parts of a tile's keys lie in workgroup memory one after the other. */
  readonly parts: number;
  readonly held: boolean; // queries are in workgroup memory; else they are read for every tile
}

/** Where an operand's elements are: numbers among the sizes, as `qOffset`. */
export const VIEW_FIELDS = ['offset', 'b', 'h', 't'] as const;

/** What a program asks of the device. */
export function attentionDemands(spec: Sizes): Demands {
  const total = Object.values(lengthsOf(spec)).reduce((sum, length) => sum + length, 0);
  return {
    invocations: (spec.queries / 4) * spec.team,
    workgroupBytes: 16 * total,
    storageBuffers: 5,
  };
}

type Sizes = AttentionTile & Pick<AttentionSpec, 'channels' | 'valueChannels'>;

/** Arrays in workgroup memory, in vectors. Values take the keys' place. */
export function lengthsOf({ queries, keys, team, parts, held, channels, valueChannels }: Sizes) {
  const vectors = Math.ceil(channels / 4);
  // rows of keys are one longer, so that writes meet all banks; those of weights too
  const shared = Math.max(vectors * (keys + 1), keys * Math.ceil(valueChannels / 4));
  return {
    ...(held ? { Q: vectors * queries } : {}),
    KV: shared,
    P: (keys / parts) * (queries / 4 + 1),
    team: team * (queries / 4 + 1),
  };
}

/** Names and counts that the pieces of a program share. */
export interface AttentionParts extends AttentionSpec {
  readonly invocations: number;
  readonly groups: number; // teams
  readonly line: number; // vectors of a row of weights
  readonly vectors: number; // of a key
  readonly valueVectors: number;
  /** Of an invocation: whole vectors of a value, and single channels behind all of these. */
  readonly whole: number;
  readonly singles: number;
}

export function partsOf(spec: AttentionSpec): AttentionParts {
  const { queries, team, channels, valueChannels } = spec;
  const valueVectors = Math.ceil(valueChannels / 4);
  const whole = Math.floor(valueVectors / team);
  const singles = (4 * (valueVectors - whole * team)) / team;
  // few single channels cost less than vectors of which most are none
  const few = whole > 0 && singles > 0 && singles <= 2;
  return {
    ...spec,
    invocations: (queries / 4) * team,
    groups: queries / 4,
    line: queries / 4 + 1,
    vectors: Math.ceil(channels / 4),
    valueVectors,
    whole: few ? whole : Math.ceil(valueVectors / team),
    singles: few ? Math.ceil(singles) : 0,
  };
}
