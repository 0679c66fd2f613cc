import { sizeOf } from '../../harness/numbers/random.js';
import type { Random } from '../base/random.js';
import { shown } from '../mutate/json.js';
import { hostileNumber, hostileValue } from '../mutate/values.js';
import type { Given, OpSubject, Values } from './given.js';

/** Elements of a tensor at most: what is to be large is large by its attributes. */
const MOST_ELEMENTS = 20_000;

/** What comes in the place of some of a tensor's numbers. */
const SPECIALS = [
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e-42, 1e30, -3.4e38],
  ...[-1, 0.5, 1.5, 7, 8, 16, 127, 128, 255, 256, 1000, 2 ** 31 - 1, -(2 ** 31)],
];

/** A call with one change, and what it was. */
export function mutateGiven(
  random: Random,
  { attrs: known }: OpSubject,
  given: Given,
): { given: Given; text: string } {
  if (known.length > 0 && random.chance(0.45)) return mutateAttr(random, known, given);
  const names = Object.keys(given.tensors);
  if (names.length === 0) return { given, text: 'no tensor is left' };
  const name = random.pick(names);
  const { [name]: was, ...others } = given.tensors;
  if (random.chance(0.1)) return { given: { ...given, tensors: others }, text: `no ${name}` };
  if (random.chance(0.1)) {
    const other = random.pick(names);
    const tensors = { ...given.tensors, [name]: given.tensors[other]! };
    return { given: { ...given, tensors }, text: `${other} as ${name}` };
  }
  const { values, text } = mutateTensor(random, was!);
  const tensors = { ...given.tensors, [name]: values };
  return { given: { ...given, tensors }, text: `${name}: ${text}` };
}

function mutateAttr(
  random: Random,
  known: readonly string[],
  given: Given,
): { given: Given; text: string } {
  const name = random.pick(known);
  const { [name]: was, ...others } = given.attrs;
  if (random.chance(0.1)) return { given: { ...given, attrs: others }, text: `no ${name}` };
  const value = random.chance(0.8) ? hostileNumber(random, was) : hostileValue(random, was);
  const attrs = { ...given.attrs, [name]: value };
  return { given: { ...given, attrs }, text: `${name} = ${shown(value)}` };
}

function mutateTensor(random: Random, was: Values): { values: Values; text: string } {
  switch (random.below(5)) {
    case 0: {
      const dtype = random.pick(['float32', 'int32', 'bool'] as const);
      return { values: { ...was, dtype, values: asType(dtype, was.values) }, text: dtype };
    }
    case 1:
    case 2: {
      const shape = otherShape(random, was.shape);
      return { values: reshaped(was, shape), text: `shape [${was.shape}] → [${shape}]` };
    }
    default: {
      const values = was.values.slice();
      const special = random.pick(SPECIALS);
      const count = random.chance(0.7) ? 1 : values.length;
      for (let i = 0; i < count && values.length > 0; i++) {
        values[count === 1 ? random.below(values.length) : i] = special;
      }
      const where = count === 1 ? 'one' : 'all';
      return { values: { ...was, values }, text: `${where} ${shown(special)}` };
    }
  }
}

function otherShape(random: Random, shape: readonly number[]): number[] {
  const axis = random.below(shape.length + 1);
  const length = shape[axis] ?? 1;
  const change = random.pick<() => number[]>([
    () => shape.with(Math.min(axis, shape.length - 1), 0),
    () => shape.with(Math.min(axis, shape.length - 1), 1),
    () => shape.with(Math.min(axis, shape.length - 1), length + 1),
    () => shape.with(Math.min(axis, shape.length - 1), Math.max(0, length - 1)),
    () => shape.with(Math.min(axis, shape.length - 1), random.between(1, 40)),
    () => shape.toSpliced(axis, 0, 1),
    () => shape.toSpliced(axis, 1),
    () => [...shape].reverse(),
    () => [sizeOf(shape)],
    () => [],
  ]);
  const made = shape.length === 0 ? [random.between(0, 3)] : change();
  return sizeOf(made) <= MOST_ELEMENTS && made.length <= 6 ? made : [...shape];
}

/** The numbers from the first on, again and again. */
function reshaped(was: Values, shape: readonly number[]): Values {
  const { length } = was.values;
  const numbers = Array.from({ length: sizeOf(shape) }, (_, i) =>
    length === 0 ? 1 : was.values[i % length]!,
  );
  return { ...was, shape, values: asType(was.dtype, numbers) };
}

function asType(dtype: Values['dtype'], values: ArrayLike<number>): Values['values'] {
  const list = Array.from(values);
  if (dtype === 'float32') return Float32Array.from(list);
  return dtype === 'int32' ? Int32Array.from(list) : Uint8Array.from(list);
}
