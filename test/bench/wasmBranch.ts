import * as tf from '@tensorflow/tfjs';
import type { BenchCase, BenchSuite, Contender, Contest } from './harness.js';
import { BRANCH_RANK, LinearSubject, PRECISIONS, type Precision } from './linearSubject.js';
import {
  availableVariants,
  resetVariant,
  setWasmBackend,
  VARIANTS,
  withVariant,
} from './wasmVariants.js';

const TOKENS = 256;

/** What of a linear's time a branch may add at 8 bits of activations, and the linears. */
const MODELS: readonly (readonly [width: number, share: number])[] = [
  [1152, 0.08], // DiT-XL
  [384, 0.15], // DiT-S
];

/** Those with a branch: of 4-bit weights. */
const WITH_BRANCH = ['W4A8', 'W4A4'] as const satisfies readonly Precision[];

const PEER = 'no branch';

/**
 * Quantized linears beside a branch of 16 directions, against the same ones without: with a basis
 * of the means as rewritten models have it there, and without.
 */
export const branchSuite: BenchSuite = {
  name: 'wasm-branch',
  prepare: async () => {
    await setWasmBackend();
    const cases = MODELS.flatMap(([width, share]) =>
      (
        [
          [width, width],
          [width, 4 * width],
          [4 * width, width],
        ] as const
      ).flatMap(([d, n]) => WITH_BRANCH.map((precision) => caseOf(d, n, precision, share))),
    );
    return { cases, dispose: resetVariant };
  },
};

function caseOf(d: number, n: number, precision: Precision, share: number): BenchCase {
  return {
    name: `${d}→${n}, ${TOKENS} tokens, ${precision}`,
    prepare: () => contest(new LinearSubject(d, n), precision, share),
  };
}

function contest(subject: LinearSubject, precision: Precision, share: number): Contest {
  const x = tf.tensor2d(subject.activations(TOKENS), [TOKENS, subject.d]);
  const contender = (name: string, compute: () => tf.Tensor): Contender => ({
    name,
    run: () => void tf.tidy(() => void compute()),
  });
  const branch = contender(`rank ${BRANCH_RANK}`, () => subject.branch(x, precision));
  const plain = contender(PEER, () => subject.hadanorm(x, precision));
  const least = contender(`${PEER}, no basis`, () => subject.withoutBasis(x, precision));
  const variants = availableVariants();
  // held where the product is fastest, and at the activations that W4A8 has
  const [fastest] = variants as [keyof typeof VARIANTS];
  const isAsked = PRECISIONS[precision].activations === 8;
  const bars = isAsked ? { [`${PEER}, ${VARIANTS[fastest]}`]: 1 / (1 + share) } : {};
  return {
    ours: [withVariant(fastest, { ...branch, bars })],
    peers: [plain, least].map((one) => withVariant(fastest, one)),
    dispose: () => {
      resetVariant();
      subject.dispose();
      x.dispose();
    },
  };
}
