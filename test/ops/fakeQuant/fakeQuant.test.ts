import { fakeQuantReference } from '../../../ops/fakeQuant/reference.js';
import { fakeQuant, type Granularity } from '../../../src/index.js';
import { expectCodes } from '../../harness/numbers/codes.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { type GradientCheck, type OpCase, runOpCases } from '../../harness/ops/opCases.js';

interface Row {
  shape: number[];
  granularity: Granularity;
  bits?: number;
  symmetric?: boolean;
  range?: { min: number | number[]; max: number | number[] };
  values?: Float32Array;
}

const perGroup = (groupSize: number, axis = -1): Granularity => ({
  kind: 'perGroup',
  axis,
  groupSize,
});
const perChannel = (axis = -1): Granularity => ({ kind: 'perChannel', axis });
const perToken: Granularity = { kind: 'perToken' };
const perTensor: Granularity = { kind: 'perTensor' };

const ROWS: readonly Row[] = [
  { shape: [], granularity: perTensor },
  { shape: [1], granularity: perToken },
  { shape: [2, 3, 5], granularity: perTensor },
  { shape: [2, 3, 5], granularity: perTensor, symmetric: true, bits: 4 },
  { shape: [2, 3, 5], granularity: perToken },
  { shape: [7, 65], granularity: perToken, symmetric: true },
  { shape: [3, 4], granularity: perChannel(0), bits: 3 },
  { shape: [5, 7], granularity: perChannel(1), symmetric: true, bits: 4 },
  { shape: [2, 3, 5], granularity: perChannel(1), bits: 4 },
  { shape: [2, 3, 5], granularity: perChannel(-1), bits: 4 },
  { shape: [3, 64], granularity: perGroup(16), bits: 4 },
  { shape: [3, 65], granularity: perGroup(16), bits: 4 },
  { shape: [3, 63], granularity: perGroup(16), bits: 4, symmetric: true },
  { shape: [3, 15], granularity: perGroup(16), bits: 4 },
  { shape: [2, 9], granularity: perGroup(1), bits: 2 },
  { shape: [17, 6], granularity: perGroup(8, 0), bits: 4, symmetric: true },
  { shape: [2, 9, 3], granularity: perGroup(4, 1), bits: 4 },
  { shape: [4, 3, 2], granularity: perGroup(2, 0), bits: 5 },
  { shape: [64, 192], granularity: perGroup(64), bits: 4 },
  { shape: [128, 96], granularity: perGroup(64, 0), bits: 4, symmetric: true },
  // large enough for the other path of kernels that have two
  { shape: [230, 1152], granularity: perToken },
  { shape: [230, 1152], granularity: perGroup(64), bits: 4, symmetric: true },
  ...[2, 3, 6, 8, 12, 16].flatMap((bits) => [
    { shape: [4, 33], granularity: perToken, bits },
    { shape: [4, 33], granularity: perToken, bits, symmetric: true },
  ]),
  { shape: [3, 7], granularity: perTensor, range: { min: -1, max: 1.5 } },
  { shape: [3, 7], granularity: perTensor, range: { min: 0.5, max: 1.5 }, bits: 4 },
  { shape: [3, 7], granularity: perTensor, range: { min: -1, max: 0.5 }, bits: 4, symmetric: true },
  {
    shape: [2, 3, 4],
    granularity: perChannel(),
    range: { min: [-1, -2, 0, -0.5], max: [1, 0, 2, 0.25] },
  },
  { shape: [2, 3, 4], granularity: perChannel(1), range: { min: [-1, -2, 0], max: 1 }, bits: 4 },
  { shape: [3, 4], granularity: perToken, range: { min: -1, max: [0.5, 1, 2] }, bits: 4 },
  {
    shape: [2, 5],
    granularity: perGroup(2),
    range: { min: [-1, -1, -2, -0.5, -1, -2], max: [1, 2, 1, 1, 1, 0.25] },
    bits: 4,
  },
  {
    shape: [5, 2],
    granularity: perGroup(3, 0),
    range: { min: [-1, -1, -2, -0.5], max: 1 },
    bits: 3,
    symmetric: true,
  },
  // NaN and Inf are in the edges below; here is what is extreme and still a number
  { shape: [3, 6], granularity: perToken, values: rowsOf(6, [0.7, 0, -3]) },
  { shape: [3, 6], granularity: perToken, symmetric: true, values: rowsOf(6, [0.7, 0, -3]) },
  { shape: [4, 16], granularity: perToken, values: withOutlier(64, 37, 1e30) },
  {
    shape: [4, 16],
    granularity: perGroup(4),
    bits: 4,
    symmetric: true,
    values: withOutlier(64, 37, 1e30),
  },
  { shape: [2, 8], granularity: perToken, values: normal(16, 5, 0, 1e38) },
  {
    shape: [2, 2],
    granularity: perToken,
    bits: 2,
    values: Float32Array.of(3.4e38, -3.4e38, 3.4e38, 1),
  },
  { shape: [2, 8], granularity: perToken, values: normal(16, 6, 0, 1e-39) },
  {
    shape: [2, 8],
    granularity: perToken,
    bits: 16,
    symmetric: true,
    values: normal(16, 7, 0, 1e-37),
  },
];

runOpCases('FakeQuant', ROWS.map(toCase));

function toCase(row: Row): OpCase {
  const { shape, granularity, bits = 8, symmetric = false, range } = row;
  const size = sizeOf(shape);
  const values = row.values ?? normal(size, size + bits, 0.3);
  const options = { bits, symmetric, granularity, ...(range ? { range } : {}) };
  let mates: boolean[] | undefined;
  // at 2 bits no element is a whole step away from both ends
  const hasGradient = row.values === undefined && bits > 2 && size > 1 && size < 1000;
  const kind =
    granularity.kind === 'perGroup' ? `perGroup ${granularity.groupSize}` : granularity.kind;
  const axis = 'axis' in granularity ? ` along ${granularity.axis}` : '';
  const [x0] = values;
  return {
    name:
      `[${shape}] ${kind}${axis}, ${bits} bits${symmetric ? ' symmetric' : ''}` +
      `${range ? ', static range' : ''}${row.values ? `, x = ${x0?.toPrecision(2)}…` : ''}`,
    inputs: [{ shape, values }],
    run: ([x]) => [fakeQuant(x!, options)],
    shapes: [shape],
    check: ([y]) => expectCodes(y!, fakeQuantReference(values, shape, options)),
    ...(hasGradient ? { gradient: straightThrough(values, shape, options) } : {}),
    ...(range === undefined && size > 1
      ? {
          poison: {
            element: size >> 1,
            reaches: (_: number, i: number) => {
              mates ??= groupMates(shape, granularity, size >> 1);
              return mates[i]!;
            },
          },
        }
      : {}),
  };
}

/**
 * A staircase has no derivative, but over one whole step to each side its slope is exactly that of
 * the straight-through estimator: 1 inside the range, 0 outside. The range of the unperturbed
 * tensor is kept.
 */
function straightThrough(
  values: Float32Array,
  shape: readonly number[],
  options: Omit<Row, 'shape'> & { bits: number; symmetric: boolean },
): GradientCheck {
  const { scale, range, ends } = fakeQuantReference(values, shape, options);
  return {
    reference: ([x]) => [fakeQuantReference(x!, shape, { ...options, range }).values],
    step: (_, i) => scale[i]!,
    tolerance: 1e-4,
    smoothAt: (_, i) => {
      const end = Math.max(-ends.min[i]!, ends.max[i]!);
      const [lo, hi] = options.symmetric ? [-end, end] : [ends.min[i]!, ends.max[i]!];
      const margin = 1.6 * scale[i]!;
      const v = values[i]!;
      return (v > lo + margin && v < hi - margin) || v < lo - margin || v > hi + margin;
    },
  };
}

/** Whether each element shares its group with element `at`. */
function groupMates(shape: readonly number[], granularity: Granularity, at: number): boolean[] {
  const probe = new Float32Array(sizeOf(shape));
  probe[at] = Number.NaN;
  const { values } = fakeQuantReference(probe, shape, { bits: 8, symmetric: false, granularity });
  return Array.from(values, Number.isNaN);
}

function rowsOf(n: number, constants: readonly number[]): Float32Array {
  return Float32Array.from(constants.flatMap((c) => Array<number>(n).fill(c)));
}

function withOutlier(size: number, at: number, outlier: number): Float32Array {
  const values = normal(size, 21);
  values[at] = outlier;
  return values;
}
