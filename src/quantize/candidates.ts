import { fitsIn } from '../../ops/numerics/formats.js';
import type { BranchKind } from './branch.js';
import { METHODS, type Method, type Parts } from './methods.js';
import type { Task } from './plan.js';
import type { FixedParts } from './transform.js';

/** One way to treat a site: a method, its parts all decided. */
export interface Way {
  readonly method: Method;
  readonly parts: FixedParts;
  /** What goes beside the codes; null for nothing. */
  readonly branch: WayBranch | null;
}

/** A branch that is not fitted yet. */
export interface WayBranch {
  readonly kind: BranchKind;
  readonly rank: number;
}

/** What a site leaves open. */
export interface Latitude {
  /** Whether samples have tokens: one row is its own mean, and centering would leave nothing. */
  readonly tokens: boolean;
  readonly rotatable: boolean;
  /** Whether centering can be chosen by measuring, and scaling with it. */
  readonly centering: boolean;
  /** Whether the rotation can. */
  readonly rotation: boolean;
}

/**
 * What is open at a site, of its linears: all but their weights is alike. `measurable`: calibration
 * kept tokens of it.
 */
export function latitudeOf(
  tasks: readonly Task[],
  measurable: boolean,
  rotatable: boolean,
): Latitude {
  const [{ placed, settings }] = tasks as [Task];
  const { activations } = settings;
  const packed = tasks.some(isPacked);
  return {
    tokens: placed.site.tokens !== 'none',
    rotatable,
    centering: measurable && (packed || activations.format.kind !== 'float32'),
    // fewer bits always need it
    rotation: measurable && packed && !fitsIn(activations.format, 5),
  };
}

/**
 * The kinds of branch that may go beside the codes of a site's linears, the likeliest first; none
 * where there is to be no branch.
 */
export function branchesOf(tasks: readonly Task[], hessian: boolean): BranchKind[] {
  const [{ settings }] = tasks as [Task];
  const { branch, lowRank, activations, treatment } = settings;
  if (lowRank === 0 || !tasks.some(isPacked) || treatment === 'weightOnly') return [];
  if (!hessian) return ['weights'];
  if (branch !== 'auto') return [branch];
  // taking directions out of 8 bits is worth nothing
  return fitsIn(activations.format, 5) ? ['subtracted', 'errors'] : ['errors'];
}

function isPacked({ settings }: Task): boolean {
  return settings.weights.format.kind !== 'float32';
}

/**
 * The ways that a method, some of its parts replaced, may treat a site: each is one by itself, from
 * the cheapest at run time to the dearest. Centering costs most there, for its means take a way of
 * their own; then the rotation.
 *
 * Where centering is open, so is the scale of what is not centered, unless it was asked for: with
 * neither HadaNorm is QuaRot or, where the rotation is open too, plain rounding. Centered, the
 * scale was never worth leaving out.
 */
export function waysOf(method: Method, replaced: Partial<Parts>, at: Latitude): Way[] {
  const open = { ...METHODS[method], ...replaced };
  const free = open.center === 'auto' && at.centering;
  const scaled = open.scale !== 'none' && replaced.scale === undefined;
  const scales = (center: FixedParts['center']) =>
    free && scaled && center === 'none' ? (['none', open.scale] as const) : [open.scale];
  const ways = centersOf(open, at).flatMap((center) =>
    rotationsOf(open, at).flatMap((rotate) =>
      scales(center).map((scale) => ({
        ...{ method, branch: null },
        parts: { ...open, center, rotate, scale },
      })),
    ),
  );
  return [...new Map(ways.map((way) => [wayKey(way), way])).values()];
}

/** Ways with one key are one transform: parts that do nothing there are left out of it. */
export function wayKey({ parts, branch }: Pick<Way, 'parts' | 'branch'>): string {
  const { center, meanRank, scale, alpha, rotate, signs } = parts;
  return JSON.stringify([
    center,
    center === 'dynamic' ? meanRank : 0,
    scale,
    scale === 'smoothquant' ? alpha : null,
    rotate,
    rotate && signs,
    branch,
  ]);
}

function centersOf({ center }: Parts, at: Latitude): FixedParts['center'][] {
  const centers = center !== 'auto' ? [center] : at.centering ? CENTERS : (['dynamic'] as const);
  return centers.map((one) => (one === 'dynamic' && !at.tokens ? 'none' : one));
}

const CENTERS = ['none', 'dynamic'] as const;

function rotationsOf({ rotate }: Parts, at: Latitude): boolean[] {
  if (rotate !== 'auto') return [rotate];
  if (!at.rotatable) return [false];
  return at.rotation ? [false, true] : [true];
}
