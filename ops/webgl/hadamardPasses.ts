import {
  factorSigns,
  findHadamardPlan,
  type HadamardFactor,
  type HadamardPlan,
} from '../numerics/hadamard.js';

/**
 * One pass over rows of texels. A texel holds columns 2t and 2t + 1, so that the lowest factor of 2
 * lies within texels.
 *
 * y = x (I ⊗ F ⊗ I_stride) (I ⊗ P): F mixes `radix` texels that are `stride` apart, P the two
 * columns of a texel.
 */
export interface HadamardPass {
  readonly radix: number; // texels; 1: none are mixed
  readonly stride: number; // texels
  /** Signs of a dense factor; null for Sylvester's, which is butterflies. */
  readonly masks: SignMasks | null;
  /**
   * What becomes of the two columns of a texel: nothing, a butterfly, or they are part of the dense
   * factor.
   */
  readonly columns: 'apart' | 'butterfly' | 'dense';
  readonly scale: number;
}

/**
 * Bit i % 32 of words[j · perOutput + ⌊i / 32⌋] is set where entry j of y has input i with a minus.
 */
export interface SignMasks {
  readonly order: number;
  readonly words: Uint32Array;
  readonly perOutput: number;
}

/** A larger dense factor would make a shader with too large a table. */
export const MOST_DENSE = 160;

/** Whether passes can do it; else the product with a dense matrix is no slower. */
export function hasPasses({ factors }: HadamardPlan): boolean {
  return factors.every(({ kind, order }) => kind === 'sylvester' || order <= MOST_DENSE);
}

/** Why passes do not do blocks of a size that has a matrix; null where they do. */
export function whyNoPasses(blockSize: number): string | null {
  if (hasPasses(findHadamardPlan(blockSize)!)) return null;
  return `passes on webgl take dense factors up to ${MOST_DENSE}, not that of ${blockSize}`;
}

/** The passes for y = x H, or x Hᵀ. Sizes are even: 1 has none. */
export function hadamardPasses(plan: HadamardPlan, transpose: boolean): HadamardPass[] {
  const passes: Omit<HadamardPass, 'scale'>[] = [];
  let stride = plan.size / 2;
  for (const factor of plan.factors) {
    if (factor.kind !== 'sylvester') {
      stride = stride / factor.order;
      const masks = signMasks(factor, transpose);
      passes.push(
        stride < 1
          ? { radix: factor.order / 2, stride: 1, masks, columns: 'dense' }
          : { radix: factor.order, stride, masks, columns: 'apart' },
      );
      continue;
    }
    for (const bits of splitBits(Math.log2(factor.order) - 1)) {
      stride /= 2 ** bits;
      passes.push({ radix: 2 ** bits, stride, masks: null, columns: 'apart' });
    }
    // the lowest 2 costs nothing beside another factor
    const last = passes.pop() ?? { radix: 1, stride: 1, masks: null, columns: 'apart' };
    passes.push({ ...last, columns: 'butterfly' });
  }
  return scaled(passes, plan.size);
}

/**
 * A pass costs as much as reading its radix in texels, and about this many more, to write one and
 * to start.
 */
const PASS_COST = 6;
const MOST_BITS = 4;

/** What the passes of a plan cost, in texels that are read for one of y. */
export function passesCost(plan: HadamardPlan): number {
  return hadamardPasses(plan, false).reduce((sum, { radix }) => sum + radix + PASS_COST, 0);
}

/** Cuts 2^bits into radices of at most 16, as bits, where they cost least. */
function splitBits(bits: number): number[] {
  let best: number[] = [];
  let bestCost = Number.POSITIVE_INFINITY;
  for (let count = Math.ceil(bits / MOST_BITS); count <= bits; count++) {
    const split = Array.from({ length: count }, (_, i) => Math.floor((bits + i) / count));
    const cost = split.reduce((sum, b) => sum + PASS_COST + 2 ** b, 0);
    if (cost < bestCost) [best, bestCost] = [split, cost];
  }
  return best;
}

/**
 * 1/√size over the passes: powers of two near 1/√radix, which are exact and keep sums from growing
 * beyond float32, or float16, and the rest in the last.
 */
function scaled(passes: readonly Omit<HadamardPass, 'scale'>[], size: number): HadamardPass[] {
  let left = 1 / Math.sqrt(size);
  return passes.map((pass, i) => {
    const step = 2 ** -Math.round(Math.log2(pass.radix) / 2);
    const scale = i === passes.length - 1 ? left : step;
    left /= step;
    return { ...pass, scale };
  });
}

function signMasks(factor: HadamardFactor, transpose: boolean): SignMasks {
  const { order } = factor;
  const signs = factorSigns(factor);
  const perOutput = Math.ceil(order / 32);
  const words = new Uint32Array(order * perOutput);
  for (let j = 0; j < order; j++) {
    for (let i = 0; i < order; i++) {
      if (signs[transpose ? j * order + i : i * order + j]! > 0) continue;
      const at = j * perOutput + (i >> 5);
      words[at] = (words[at]! | (1 << (i & 31))) >>> 0;
    }
  }
  return { order, words, perOutput };
}
