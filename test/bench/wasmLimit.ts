import * as tf from '@tensorflow/tfjs';
import type { BenchCase, BenchSuite, Contender, Contest } from './harness.js';
import {
  ACCUMULATORS,
  CHAIN,
  chainLoop,
  INSTRUCTIONS,
  type Instruction,
  instructionLoop,
} from './limitModule.js';
import { LinearSubject, PRECISIONS, type Precision } from './linearSubject.js';
import {
  availableVariants,
  resetVariant,
  setWasmBackend,
  type Variant,
  withVariant,
} from './wasmVariants.js';

const TOKENS = 256;
const [D, N] = [1152, 1152];
const MACS = TOKENS * D * N;

const NAMES: Readonly<Record<Instruction, string>> = {
  dot16: 'dot_i16x8 alone',
  relaxedPairs: 'relaxed_dot_i8x16 alone',
  relaxedDot: 'relaxed_dot_i8x16_add alone',
};

/**
 * How near the integer product comes to what the machine allows: against the instruction alone, for
 * as many multiply-adds (1 is the limit); and against a chain of as many additions, one a cycle, so
 * that the ratio is multiply-adds a cycle.
 */
export const limitSuite: BenchSuite = { name: 'wasm-limit', prepare };

async function prepare(): Promise<{ cases: BenchCase[]; dispose: () => void }> {
  await setWasmBackend();
  const subject = new LinearSubject(D, N);
  const variants = availableVariants();
  const instructions = (Object.keys(INSTRUCTIONS) as Instruction[]).filter(
    (name) => variants.includes('relaxed') || !INSTRUCTIONS[name].relaxed,
  );
  const cases = variants.flatMap((variant) =>
    (Object.keys(PRECISIONS) as Precision[]).map((precision) => ({
      name: `product ${TOKENS}×${D}×${N} ${precision}`,
      prepare: () => productContest(subject, precision, variant, instructions),
    })),
  );
  const alone: BenchCase = {
    name: 'the instructions',
    prepare: () => ({ ours: instructions.map(instructionContender), peers: [chainContender()] }),
  };
  return { cases: [alone, ...cases], dispose: () => subject.dispose() };
}

/** The product of codes that are there already. */
function productContest(
  subject: LinearSubject,
  precision: Precision,
  variant: Variant,
  instructions: readonly Instruction[],
): Contest {
  const x = tf.tensor2d(subject.activations(TOKENS), [TOKENS, D]);
  const { multiply, dispose } = subject.quantized(x, precision);
  const run = () => multiply().dispose();
  const usable = instructions.filter((one) => variant === 'relaxed' || !INSTRUCTIONS[one].relaxed);
  return {
    ours: [withVariant(variant, { name: `product ${precision}`, run })],
    peers: [chainContender(), ...usable.map(instructionContender)],
    dispose: () => {
      dispose();
      x.dispose();
      resetVariant();
    },
  };
}

function instructionContender(instruction: Instruction): Contender {
  const loop = instructionLoop(instruction);
  const turns = Math.round(MACS / INSTRUCTIONS[instruction].macs / ACCUMULATORS);
  return { name: NAMES[instruction], run: () => void loop(turns) };
}

function chainContender(): Contender {
  const loop = chainLoop();
  return { name: 'an addition a cycle', run: () => void loop(Math.round(MACS / CHAIN)) };
}
