import type { BranchKind } from '../quantize/branch.js';
import type { Measured } from '../quantize/measured.js';
import type { LeftOut, Outcome } from '../quantize/plan.js';
import type { LinearSettings } from '../quantize/settings.js';
import type { FixedParts } from '../quantize/transform.js';
import type { Role } from '../recognize/role.js';

/** What became of a linear, without its weights. */
export interface Done {
  readonly name: string;
  readonly role: Role;
  /** The key of its site. */
  readonly site: string;
  readonly settings: LinearSettings;
  readonly parts: FixedParts;
  /** What goes beside its codes; null for nothing. */
  readonly branch: BranchKind | null;
  readonly rotated: boolean;
  readonly packed: boolean;
  readonly measured: Measured;
  readonly leftOut: LeftOut | null;
  readonly refit?: boolean;
}

export function doneOf({ planned, settings, measured, leftOut, refit }: Outcome): Done {
  const { placed, transform, quantized } = planned;
  return {
    name: placed.linear.name,
    role: placed.role,
    site: placed.key,
    settings,
    parts: transform.parts,
    branch: transform.branch?.kind ?? null,
    rotated: transform.blockSize > 0,
    packed: quantized.packed !== null,
    measured,
    leftOut,
    ...(refit === undefined ? {} : { refit }),
  };
}
