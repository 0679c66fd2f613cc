import { hadaNormQuantizeReference } from '../../../ops/hadaNormQuantize/reference.js';
import { EPS } from '../../harness/numbers/compare.js';
import { channelGroups } from '../../harness/numbers/formats.js';
import { sizeOf } from '../../harness/numbers/random.js';
import type { Output } from '../guard/runs.js';
import type { Given } from './given.js';
import { firstOff, magnitudeOf, maskOfAll, rangeOption, shapeOff } from './kit.js';

interface Attrs {
  readonly bits?: number;
  readonly symmetric?: boolean;
  readonly groupSize?: number;
  readonly blockSize?: number;
  readonly center?: 'none' | 'static' | 'dynamic';
  readonly subtract?: boolean;
}

/**
 * Codes, scales, zero points, means and what goes along of HadaNormQuantize against the float64
 * reference: values within half a step of what they stand for, at an end of a range with a zero
 * point within one, and within what float32 adds up to.
 */
export function checkQuantized(given: Given, outputs: readonly Output[]): string | null {
  const { x } = given.tensors;
  const attrs = given.attrs as Attrs;
  const [tokens, d] = x!.shape.slice(-2) as [number, number];
  const groupSize = Math.min(attrs.groupSize ?? d, d);
  const wrong = wrongShapes(given, outputs, groupSize);
  if (wrong !== null || x!.values.length === 0) return wrong;
  const [codes, scale, zeroPoint, ...means] = outputs;
  const last = given.tensors.directions === undefined ? null : means.pop()!;
  const { bits = 8, symmetric = false } = attrs;
  const off = codes!.values.findIndex((code) => !(code >= 0 && code < 2 ** bits));
  if (off >= 0) return `code [${off}] is ${codes!.values[off]} at ${bits} bits`;
  const numbers = Object.entries(given.tensors).map(([name, tensor]) => {
    return [name, name === 'mask' ? maskOfAll(tensor, x!.shape) : tensor.values];
  });
  const { range = null } = rangeOption(given.attrs);
  const { subtract = false } = attrs;
  const { transformed, quantized, residual, coefficients, along } = hadaNormQuantizeReference(
    { ...(Object.fromEntries(numbers) as { x: Float32Array }), subtract },
    ...[tokens, d],
    {
      ...{ format: channelGroups(bits, symmetric, groupSize), range },
      ...{ center: attrs.center ?? 'dynamic', blockSize: attrs.blockSize ?? d },
    },
  );
  const own = roundingError(given, tokens, d);
  const perDirection = own * d * (1 + magnitudeOf(given.tensors.directions));
  const slack = subtract ? own + perDirection * takenOf(given) : own;
  const groups = Math.ceil(d / groupSize);
  const groupOf = (i: number) => Math.floor(i / d) * groups + Math.floor((i % d) / groupSize);
  const values = Float64Array.from(codes!.values, (code, i) => {
    const group = groupOf(i);
    return (code - zeroPoint!.values[group]!) * scale!.values[group]!;
  });
  // one scale serves a group: with a NaN in it there is none, though a given range have none in it
  const lost = new Set<number>();
  quantized.values.forEach((value, i) => {
    if (!Number.isFinite(value)) lost.add(groupOf(i));
  });
  const wanted = transformed.map((value, i) => {
    if (lost.has(groupOf(i))) return Number.NaN;
    const limit = Math.max(-quantized.ends.min[i]!, quantized.ends.max[i]!);
    const [low, high] = symmetric
      ? [-limit, limit]
      : [quantized.ends.min[i]!, quantized.ends.max[i]!];
    return range === null ? value : Math.min(Math.max(value, low), high);
  });
  const spread = slack * (1 + 4 * (given.tensors.basis?.shape[0] ?? 0)) * Math.sqrt(d);
  // what a large basis makes of it is rounded at its own size
  const within = (exact: Float64Array) => (i: number) => spread + 8 * EPS * Math.abs(exact[i]!);
  return (
    firstOff('the value', values, wanted, (i) => {
      const part = quantized.clamped[i] && !symmetric ? 1 : 0.5;
      return part * quantized.scale[i]! * (1 + 1e-4) + 4 * slack;
    }) ??
    (means.length === 0
      ? null
      : firstOff('residual', means[0]!.values, residual, within(residual))) ??
    (means.length < 2
      ? null
      : firstOff('coefficients', means[1]!.values, coefficients, within(coefficients))) ??
    (last === null
      ? null
      : firstOff('along', last.values, along, (i) => {
          const { basis } = given.tensors;
          const ofBasis = 1 + 4 * (basis?.shape[0] ?? 0);
          return 8 * ofBasis * perDirection + 8 * EPS * d * Math.abs(along[i]!);
        }))
  );
}

/** How much of an error along the directions comes back where they are subtracted. */
function takenOf({ tensors: { directions } }: Given): number {
  return directions === undefined ? 0 : directions.shape[1]! * magnitudeOf(directions);
}

function wrongShapes(
  { tensors: { x, basis, directions }, attrs }: Given,
  outputs: readonly Output[],
  groupSize: number,
): string | null {
  const d = x!.shape.at(-1)!;
  const samples = sizeOf(x!.shape.slice(0, -2));
  const groups = [...x!.shape.slice(0, -1), Math.ceil(d / groupSize)];
  const shapes = [x!.shape, groups, groups];
  if ((attrs.center ?? 'dynamic') === 'dynamic') shapes.push([samples, d]);
  if (basis !== undefined) shapes.push([samples, basis.shape[0]!]);
  if (directions !== undefined) shapes.push([...x!.shape.slice(0, -1), directions.shape[1]!]);
  if (outputs.length !== shapes.length) return `${outputs.length} outputs, not ${shapes.length}`;
  const off = shapes.map((shape, i) => shapeOff(`output ${i}`, outputs[i], shape));
  return off.find((one) => one !== null) ?? null;
}

/** What rounding in float32 can add up to in an element of x': over tokens, and over a block. */
function roundingError({ tensors, attrs }: Given, tokens: number, d: number): number {
  const divisors = [...(tensors.scale?.values ?? [1])].map(Math.abs).filter((v) => v > 0);
  const magnitude = (magnitudeOf(tensors.x) + magnitudeOf(tensors.mean)) / Math.min(1, ...divisors);
  const block = Math.max((attrs.blockSize as number | undefined) ?? d, 1);
  // what a mean loses on its way to its coefficients, and back
  const basis = magnitudeOf(tensors.basis);
  const spread = Math.sqrt(block) * (1 + basis + basis * basis);
  return (Math.sqrt(tokens) + Math.sqrt(block) + 8) * EPS * magnitude * spread;
}
