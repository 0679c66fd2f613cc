import * as tf from '@tensorflow/tfjs';
import {
  type HadaNormQuantizeOptions,
  hadamardTransform,
  hadaNormQuantize,
} from '../../src/index.js';
import { normal } from '../harness/numbers/random.js';
import type { BenchCase, BenchSuite, Contender, Contest } from './harness.js';
import { copyLoop } from './limitModule.js';
import {
  availableVariants,
  currentModule,
  resetVariant,
  setWasmBackend,
  withVariant,
} from './wasmVariants.js';

/** The transform may take twice as long as a copy. */
const TRANSFORM_BARS = { copy: 0.5 } as const;

const TRANSFORMED = [
  [256, 1024],
  [256, 1152],
  [256, 384],
  [256, 4608],
  [1024, 3072],
] as const;
const QUANTIZED = [
  [256, 384],
  [256, 1152],
  [256, 4608],
  [1024, 3072],
] as const;

const QUANTIZERS: Readonly<Record<string, HadaNormQuantizeOptions>> = {
  'HadaNorm, 8 bits': {},
  'HadaNorm, 4 bits in groups': { bits: 4, groupSize: 64 },
  '8 bits alone': { center: 'none', blockSize: 0 },
};

/** Bytes of a page of memory. */
const PAGE = 4096;

/**
 * What works on rows, against a plain copy of the float32 rows within the same memory: the ratio is
 * a share of its GB/s.
 */
export const memorySuite: BenchSuite = { name: 'wasm-memory', prepare };

async function prepare(): Promise<{ cases: BenchCase[]; dispose: () => void }> {
  await setWasmBackend();
  const asked = (tokens: number, d: number) => tokens === 256 && (d === 1024 || d === 1152);
  const transforms = TRANSFORMED.map(([tokens, d]) => ({
    name: `hadamardTransform ${tokens}×${d}`,
    prepare: () =>
      contest(tokens, d, (x) => {
        const run = () => hadamardTransform(x).dispose();
        const bars = asked(tokens, d) ? { bars: TRANSFORM_BARS } : {};
        return [{ name: 'hadamardTransform', run, ...bars }];
      }),
  }));
  const quantizers = QUANTIZED.map(([tokens, d]) => ({
    name: `hadaNormQuantize ${tokens}×${d}`,
    prepare: () =>
      contest(tokens, d, (x) =>
        Object.entries(QUANTIZERS).map(([name, options]) => {
          const run = () => void tf.tidy(() => void hadaNormQuantize(x, options));
          return { name, run };
        }),
      ),
  }));
  return { cases: [...transforms, ...quantizers], dispose: resetVariant };
}

function contest(
  tokens: number,
  d: number,
  oursOf: (x: tf.Tensor2D) => readonly Contender[],
): Contest {
  const x = tf.tensor2d(normal(tokens * d, d), [tokens, d]);
  const target = tf.zeros([tokens * d + PAGE / 4]);
  const [variant] = availableVariants();
  const ours = oursOf(x).map((one) => withVariant(variant!, one));
  return {
    ours,
    peers: copyContenders(x, target),
    dispose: () => tf.dispose([x, target]),
  };
}

/**
 * Copying a tensor's bytes within tfjs's memory, to where a copy is fastest: memmove, and a loop in
 * WASM.
 */
function copyContenders(from: tf.Tensor, to: tf.Tensor): Contender[] {
  const module = currentModule();
  const source = module.addressOf(from);
  // x86 takes loads and stores at the same place in their pages for dependent: half a page apart
  // there are none
  const apart = (source + PAGE / 2 - module.addressOf(to)) % PAGE;
  const target = module.addressOf(to) + ((apart + PAGE) % PAGE);
  const length = 4 * from.size;
  const loop = copyLoop(module.memory);
  const memmove = () => void module.bytes().copyWithin(target, source, source + length);
  return [
    { name: 'copy', run: memmove },
    { name: 'copy in a loop', run: () => void loop(length / 64, source, target) },
  ];
}
