import { BoundedMap } from '../numerics/boundedMap.js';
import {
  factorSigns,
  findHadamardPlan,
  type HadamardFactor,
  type HadamardPlan,
} from '../numerics/hadamard.js';
import { wgslFloat } from './wgsl.js';

/**
 * One step of y = x H over a row: each `order` numbers that are `stride` apart are mixed, in the
 * registers of one invocation.
 */
export interface Stage {
  readonly order: number;
  readonly stride: number;
  /** Signs of a dense factor, output by output; null for Sylvester's, which is butterflies. */
  readonly signs: Int8Array | null;
}

/** The largest dense factor that is spelled out: its numbers are an invocation's registers. */
export const MOST_SPELLED = 44;
/** Sylvester's factor goes in steps of at most 2^4. */
const MOST_BITS = 4;

/** The stages for y = x H, or x Hᵀ, for a plan or some of its factors, the last of stride 1. */
export function stagesOf(factors: HadamardPlan['factors'], transpose: boolean): Stage[] {
  let stride = factors.reduce((size, { order }) => size * order, 1);
  return factors.flatMap((factor): Stage[] => {
    if (factor.kind !== 'sylvester') {
      stride /= factor.order;
      return [{ order: factor.order, stride, signs: signsOf(factor, transpose) }];
    }
    return splitBits(Math.log2(factor.order)).map((bits) => {
      stride /= 2 ** bits;
      return { order: 2 ** bits, stride, signs: null };
    });
  });
}

/** Whether all of a plan's factors are spelled out. */
export function isSpelled(factors: HadamardPlan['factors']): boolean {
  return factors.every(({ kind, order }) => kind === 'sylvester' || order <= MOST_SPELLED);
}

/** The factors of a block, none where nothing is rotated. */
export function factorsOf(blockSize: number): HadamardPlan['factors'] {
  if (blockSize <= 1) return [];
  return findHadamardPlan(blockSize)!.factors.filter(({ order }) => order > 1);
}

/** Nearly equal parts of at most 4 bits. */
function splitBits(bits: number): number[] {
  const count = Math.ceil(bits / MOST_BITS);
  return Array.from({ length: count }, (_, i) => Math.floor((bits + i) / count));
}

function signsOf(factor: HadamardFactor, transpose: boolean): Int8Array {
  const { kind, order } = factor;
  const signs = factorSigns(factor);
  if (transpose) return signs;
  return turned.get(`${kind} ${order}`, () => turnedSigns(signs, order));
}

/** As many as `factorSigns` keeps. */
const turned = new BoundedMap<string, Int8Array>(16);

function turnedSigns(signs: Int8Array, order: number): Int8Array {
  return signs.map((_, at) => signs[(at % order) * order + Math.floor(at / order)]!);
}

/**
 * 1/√size as a power of two, which is exact and keeps sums from growing beyond float32, before the
 * stages, and the rest after them.
 */
export function scalesOf(size: number): { readonly before: number; readonly after: number } {
  const before = 2 ** -Math.round(Math.log2(size) / 2);
  return { before, after: 1 / Math.sqrt(size) / before };
}

/** WGSL: outputs y0 … from inputs v0 …, times a factor. */
export function mixWgsl({ order, signs }: Stage, factor: number): string {
  const times = factor === 1 ? '' : ` * ${wgslFloat(factor)}`;
  if (signs !== null) {
    return Array.from({ length: order }, (_, j) => {
      const terms = Array.from(
        { length: order },
        (_, i) => `${signs[j * order + i]! > 0 ? '+' : '-'} v${i}`,
      ).join(' ');
      return `let y${j} = (${terms.replace(/^\+ /, '')})${times};`;
    }).join('\n');
  }
  const lines: string[] = [];
  let names = Array.from({ length: order }, (_, i) => `v${i}`);
  for (let span = 1; span < order; span *= 2) {
    const next = [...names];
    for (let i = 0; i < order; i++) {
      if ((i & span) !== 0) continue;
      const [a, b] = [names[i]!, names[i + span]!];
      const [sum, difference] = [`b${span}_${i}`, `b${span}_${i + span}`];
      lines.push(`let ${sum} = ${a} + ${b};`, `let ${difference} = ${a} - ${b};`);
      [next[i], next[i + span]] = [sum, difference];
    }
    names = next;
  }
  return [...lines, ...names.map((name, i) => `let y${i} = ${name}${times};`)].join('\n');
}

/** Neighbours in workgroup memory are moved by one every 32, so that strides meet all banks. */
export function paddedLength(length: number): number {
  return length + Math.ceil(length / 32);
}

/** WGSL: where a number of the rows lies in workgroup memory. */
export const PLACE_WGSL = 'fn place(i: u32) -> u32 { return i + (i >> 5u); }';

/** What a workgroup does with numbers besides, while they are in an invocation's registers. */
export interface AroundStages {
  /**
   * WGSL statements that say what the numbers of the first stage are, in place of those in
   * workgroup memory: `v0` …, so far behind `start`.
   */
  readonly from?: (offsets: readonly number[]) => string;
  /** WGSL statements about the numbers `y0` … of the last stage's `fiber`. */
  readonly last?: (order: number) => string;
}

/**
 * WGSL statements: the stages over `length` numbers in workgroup memory, `line[place(i)]`, each
 * followed by a barrier. Rows lie one after the other; stages do not cross blocks.
 */
export function stagesWgsl(
  stages: readonly Stage[],
  length: number,
  invocations: number,
  after: number,
  { from, last }: AroundStages = {},
): string {
  return stages
    .map((stage, s) => {
      const { order, stride } = stage;
      const indices = Array.from({ length: order }, (_, i) => i);
      const at = (i: number) => `place(start + ${i * stride}u)`;
      const isLast = s === stages.length - 1;
      const inLine = () => indices.map((i) => `let v${i} = line[${at(i)}];`).join(' ');
      const given = s === 0 ? from?.(indices.map((i) => i * stride)) : undefined;
      return `
  for (var fiber = lid; fiber < ${length / order}u; fiber += ${invocations}u) {
    let start = (fiber / ${stride}u) * ${order * stride}u + fiber % ${stride}u;
    ${given ?? inLine()}
    ${mixWgsl(stage, isLast ? after : 1)}
    ${indices.map((i) => `line[${at(i)}] = y${i};`).join(' ')}
    ${(isLast && last?.(order)) || ''}
  }
  workgroupBarrier();`;
    })
    .join('');
}
