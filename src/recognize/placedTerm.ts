import type { Dim } from '../../ops/numerics/lengths.js';
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
  const hasSamples = (axis: Axis) =>
    axis.some((atom) => samples.flat().some((other) => atoms.same(atom, other)));
  const reduced: number[] = [];
  const kept: number[] = [];
  dims.slice(0, -1).forEach((dim, i) => {
    const axis = dim === 1 ? [] : (axes[i + axes.length - dims.length] ?? []);
    const place = samples.findIndex((sample) => isSample(axis, sample));
    if (place >= 0) kept.push(place);
    else if (hasSamples(axis))
      throw new NoMask(`${JSON.stringify(ref)} has samples and more on one axis`);
    else reduced.push(i);
  });
  if (kept.some((place, i) => i > 0 && place <= kept[i - 1]!)) {
    throw new NoMask(`${JSON.stringify(ref)} has its samples in another order`);
  }
  const first = kept[0] ?? samples.length;
  const inserted = samples
    .map((_, place) => place)
    .filter((place) => place > first && !kept.includes(place))
    .map((place) => place - first);
  return { ref, ...rest, reduced, inserted, rank: samples.length - first + 1 };
}
