import type { Dim } from '../../ops/numerics/lengths.js';
import type { Ref } from '../graph/ir.js';
import type { Atoms, Axis } from './axes/atoms.js';
import type { KeyTerm } from './keyTerms.js';
import type { PlacedTerm } from './tokenMask.js';

/** A site has no mask, and there is something to say about it. */
export class NoMask extends Error {}

/**
 * Which axes of a term are the samples of a site; over the others one that shows is enough.
 * @param dims The term's lengths.
 * @throws NoMask where they stand otherwise than in the site.
 */
export function placedTerm(
  atoms: Atoms,
  { ref, axes, ...rest }: KeyTerm,
  dims: readonly Dim[],
  samples: readonly Axis[],
): PlacedTerm {
  const isSample = (axis: Axis, sample: Axis) =>
    axis.length > 0 &&
    axis.length === sample.length &&
    axis.every((atom, i) => atoms.same(atom, sample[i]!));
  const own = dims.map((dim, i) => (dim === 1 ? [] : (axes[i + axes.length - dims.length] ?? [])));
  const { parts, apart } = takenApart(atoms, ref, dims, own, samples);
  const places = parts.slice(0, -1).map((axis) => {
    return samples.findIndex((sample) => isSample(axis, sample));
  });
  const kept = places.filter((place) => place >= 0);
  const reduced = places.flatMap((place, i) => (place < 0 ? [i] : []));
  if (kept.some((place, i) => i > 0 && place <= kept[i - 1]!)) {
    throw new NoMask(`${JSON.stringify(ref)} has its samples in another order`);
  }
  const first = kept[0] ?? samples.length;
  const inserted = samples
    .map((_, place) => place)
    .filter((place) => place > first && !kept.includes(place))
    .map((place) => place - first);
  return { ref, ...rest, apart, reduced, inserted, rank: samples.length - first + 1 };
}

/** Samples and heads that share an axis on axes of their own: by a reshape, where one can. */
function takenApart(
  atoms: Atoms,
  ref: Ref,
  dims: readonly Dim[],
  own: readonly Axis[],
  samples: readonly Axis[],
): { parts: readonly Axis[]; apart: readonly number[] | null } {
  const [sample, ...others] = samples.flat();
  const isShared = (axis: Axis) =>
    axis.length > 1 && axis.some((atom) => samples.flat().some((each) => atoms.same(each, atom)));
  if (!own.some(isShared)) return { parts: own, apart: null };
  const sizes = own.flatMap((axis, i) => {
    if (!isShared(axis)) return [dims[i]!];
    return axis.map(({ size }) => size);
  });
  const fits =
    others.length === 0 &&
    own.every((axis) => !isShared(axis) || atoms.same(axis[0]!, sample!)) &&
    sizes.filter((size) => typeof size !== 'number').length <= 1;
  if (!fits) throw new NoMask(`${JSON.stringify(ref)} has samples and more on one axis`);
  const parts = own.flatMap((axis) => (isShared(axis) ? axis.map((atom) => [atom]) : [axis]));
  return { parts, apart: sizes.map((size) => (typeof size === 'number' ? size : -1)) };
}
