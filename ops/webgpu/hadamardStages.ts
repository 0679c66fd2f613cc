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
  /** A factor after the other. */
  readonly mixes: readonly Mix[];
}

/** A factor of a stage: `order` of its numbers that are `apart` in it. */
export interface Mix {
  readonly order: number;
  readonly apart: number;
  /** Signs of a dense factor, output by output; null for Sylvester's, which is butterflies. */
  readonly signs: Int8Array | null;
}

/** The largest dense factor that is spelled out: its numbers are an invocation's registers. */
export const MOST_SPELLED = 44;
/** Sylvester's factor goes in steps of at most 2^5. */
const MOST_BITS = 5;
/** Neighbours of which an invocation has both: a step less, where one is of order 2. */
const MOST_JOINED = 40;

/** The stages for y = x H, or x Hᵀ, for a plan or some of its factors, the last of stride 1. */
export function stagesOf(factors: HadamardPlan['factors'], transpose: boolean): Stage[] {
  const mixes = factors.flatMap((factor): Omit<Mix, 'apart'>[] => {
    const { order } = factor;
    if (factor.kind !== 'sylvester') return [{ order, signs: signsOf(factor, transpose) }];
    return splitBits(Math.log2(order)).map((bits) => ({ order: 2 ** bits, signs: null }));
  });
  let stride = mixes.reduce((size, { order }) => size * order, 1);
  const stages: Stage[] = [];
  for (const { order, signs } of mixes) {
    stride /= order;
    const before = stages.at(-1);
    const joined = before !== undefined && before.order * order <= MOST_JOINED;
    if (joined) stages.pop();
    const earlier = joined ? before.mixes : [];
    stages.push({
      order: order * (joined ? before.order : 1),
      stride,
      mixes: [
        ...earlier.map((mix) => ({ ...mix, apart: mix.apart * order })),
        { order, apart: 1, signs },
      ],
    });
  }
  return stages;
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
export function mixWgsl({ order, mixes }: Stage, factor: number): string {
  const times = factor === 1 ? '' : ` * ${wgslFloat(factor)}`;
  const lines: string[] = [];
  let names = Array.from({ length: order }, (_, i) => `v${i}`);
  for (const [at, mix] of mixes.entries()) {
    const next = [...names];
    for (let first = 0; first < order; first++) {
      if (Math.floor(first / mix.apart) % mix.order !== 0) continue;
      const places = Array.from({ length: mix.order }, (_, k) => first + k * mix.apart);
      const given = places.map((place) => names[place]!);
      const { text, outputs } = mixedWgsl(mix, given, `m${at}_${first}`);
      lines.push(...text);
      places.forEach((place, k) => {
        next[place] = outputs[k]!;
      });
    }
    names = next;
  }
  return [...lines, ...names.map((name, i) => `let y${i} = ${name}${times};`)].join('\n');
}

interface Mixed {
  readonly text: readonly string[];
  readonly outputs: readonly string[];
}

function mixedWgsl({ order, signs }: Mix, given: readonly string[], prefix: string): Mixed {
  return signs === null ? butterflies(given, prefix) : denseWgsl(signs, order, given, prefix);
}

/** Sums and differences of pairs, which all outputs have: half of the additions. */
function denseWgsl(
  signs: Int8Array,
  order: number,
  given: readonly string[],
  prefix: string,
): Mixed {
  const pairs = Array.from({ length: order / 2 }, (_, i) => i);
  const text = pairs.map((i) => {
    const [a, b] = [given[2 * i]!, given[2 * i + 1]!];
    return `let ${prefix}s${i} = ${a} + ${b}; let ${prefix}d${i} = ${a} - ${b};`;
  });
  const outputs = Array.from({ length: order }, (_, j) => {
    const terms = pairs.map((i) => {
      const [a, b] = [signs[j * order + 2 * i]!, signs[j * order + 2 * i + 1]!];
      return `${a > 0 ? '+' : '-'} ${prefix}${a === b ? 's' : 'd'}${i}`;
    });
    text.push(`let ${prefix}y${j} = ${terms.join(' ').replace(/^\+ /, '')};`);
    return `${prefix}y${j}`;
  });
  return { text, outputs };
}

function butterflies(given: readonly string[], prefix: string): Mixed {
  const text: string[] = [];
  let names = given;
  for (let span = 1; span < given.length; span *= 2) {
    const next = [...names];
    for (let i = 0; i < given.length; i++) {
      if ((i & span) !== 0) continue;
      const [a, b] = [names[i]!, names[i + span]!];
      const [sum, difference] = [`${prefix}b${span}_${i}`, `${prefix}b${span}_${i + span}`];
      text.push(`let ${sum} = ${a} + ${b};`, `let ${difference} = ${a} - ${b};`);
      [next[i], next[i + span]] = [sum, difference];
    }
    names = next;
  }
  return { text, outputs: names };
}

/** Neighbours in workgroup memory are moved by one every 32, so that strides meet all banks. */
export function paddedLength(length: number): number {
  return length + Math.ceil(length / 32);
}

/** WGSL: where a number of the rows lies in workgroup memory. */
export const PLACE_WGSL = 'fn place(i: u32) -> u32 { return i + (i >> 5u); }';

/** The numbers of a fiber of a stage in workgroup memory. */
interface FiberPlaces {
  /** WGSL statements before they are used. */
  readonly before: string;
  /** WGSL: where number `i` behind `start` lies. */
  readonly at: (i: number) => string;
}

/** Where a fiber's numbers have the same offsets in each, they take no arithmetic. */
function fiberPlaces({ order, stride }: Stage): FiberPlaces {
  const isWhole = stride % 32 === 0;
  const isAligned = 32 % stride === 0 && (order * stride) % 32 === 0;
  const isWithin = 32 % (order * stride) === 0;
  if (!isWhole && !isAligned && !isWithin) {
    return { before: '', at: (i) => `place(start + ${i * stride}u)` };
  }
  const offset = (i: number) => i * stride + Math.floor((i * stride) / 32);
  return { before: 'let base = place(start);', at: (i) => `base + ${offset(i)}u` };
}

/** WGSL: where in the rows a stage's `fiber` begins. */
export function startWgsl({ order, stride }: Stage): string {
  return `(fiber / ${stride}u) * ${order * stride}u + fiber % ${stride}u`;
}

/** What a workgroup does with numbers besides, while they are in an invocation's registers. */
export interface AroundStages {
  /**
   * WGSL statements that say what the numbers of the first stage are, in place of those in
   * workgroup memory: `v0` …, so far behind `start`.
   */
  readonly from?: (offsets: readonly number[]) => string;
  /** WGSL statements about the numbers `y0` … of the last stage's `fiber`. */
  readonly last?: (order: number) => string;
  /** Equal parts of the numbers whose last stage invocations of their own have. Default 1. */
  readonly teams?: number;
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
  { from, last, teams = 1 }: AroundStages = {},
): string {
  return stages
    .map((stage, s) => {
      const { order, stride } = stage;
      const isLast = s === stages.length - 1;
      const indices = Array.from({ length: order }, (_, i) => i);
      const { before, at } = fiberPlaces(stage);
      const inLine = () => indices.map((i) => `let v${i} = line[${at(i)}];`).join(' ');
      const given = s === 0 ? from?.(indices.map((i) => i * stride)) : undefined;
      return `
  ${fibersWgsl(length / order, invocations, isLast ? teams : 1)}
    let start = ${startWgsl(stage)};
    ${before}
    ${given ?? inLine()}
    ${mixWgsl(stage, isLast ? after : 1)}
    ${indices.map((i) => `line[${at(i)}] = y${i};`).join(' ')}
    ${(isLast && last?.(order)) || ''}
  }
  workgroupBarrier();`;
    })
    .join('');
}

/** WGSL, the head of a loop over an invocation's fibers. */
function fibersWgsl(fibers: number, invocations: number, teams: number): string {
  if (teams === 1) {
    return `for (var fiber = lid; fiber < ${fibers}u; fiber += ${invocations}u) {`;
  }
  const [each, members] = [fibers / teams, invocations / teams];
  return `for (var own = lid % ${members}u; own < ${each}u; own += ${members}u) {
    let fiber = (lid / ${members}u) * ${each}u + own;`;
}
