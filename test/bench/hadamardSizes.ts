import * as tf from '@tensorflow/tfjs';
import { findHadamardPlan } from '../../ops/numerics/hadamard.js';
import { hadamardTransform } from '../../src/index.js';
import { normal } from '../harness/numbers/random.js';
import { hadamardMatrix } from './hadamardMatrix.js';
import type { BenchCase, BenchSuite, Contest } from './harness.js';
import { burstFor, gpuContender, setWebglBackend } from './webglBackend.js';

const LARGEST = 2048;
const ROWS = [64, 1024] as const;

/** No size may be a cliff, whatever factors its matrix has. */
const BARS = { 'tf.matMul by H': 0.9 } as const;

/** Every size that has a matrix: minutes for each backend, so only where they are asked for. */
export const hadamardSizesSuites: readonly BenchSuite[] = ['cpu', 'wasm'].map((name) => ({
  name: `hadamard-sizes-${name}`,
  onlyAsked: true,
  prepare: async () => {
    await tf.setBackend(name);
    await tf.ready();
    return { cases: casesOf(hostContest), dispose: () => undefined };
  },
}));

/** The same on WebGL, in a page. */
export const webglHadamardSizes: BenchSuite = {
  name: 'hadamard-sizes-webgl',
  onlyAsked: true,
  prepare: async () => {
    await setWebglBackend();
    return { cases: casesOf(gpuContest), dispose: () => undefined };
  },
};

interface Operands {
  readonly x: tf.Tensor2D;
  readonly matrix: tf.Tensor2D;
}

function casesOf(contest: (operands: Operands) => Contest | Promise<Contest>): BenchCase[] {
  const sizes = Array.from({ length: LARGEST }, (_, i) => i + 1);
  return sizes
    .filter((n) => findHadamardPlan(n) !== null)
    .flatMap((n) => {
      const factors = findHadamardPlan(n)!.factors.map(({ order }) => order);
      const prepare = (rows: number) => () =>
        contest({ x: tf.tensor2d(normal(rows * n, n), [rows, n]), matrix: hadamardMatrix(n) });
      return ROWS.map((rows) => ({
        name: `${rows}×${n} (${factors.join(' ⊗ ')})`,
        prepare: prepare(rows),
      }));
    });
}

function hostContest({ x, matrix }: Operands): Contest {
  const sync = (compute: () => tf.Tensor) => () => tf.tidy(() => void compute().dataSync());
  return {
    ours: [{ name: 'hadamardTransform', run: sync(() => hadamardTransform(x)), bars: BARS }],
    peers: [{ name: 'tf.matMul by H', run: sync(() => tf.matMul(x, matrix)) }],
    dispose: () => tf.dispose([x, matrix]),
  };
}

async function gpuContest({ x, matrix }: Operands): Promise<Contest> {
  const [own, product] = [() => hadamardTransform(x), () => tf.matMul(x, matrix)];
  const burst = await burstFor([own, product]);
  return {
    ours: [await gpuContender('hadamardTransform', own, burst, BARS)],
    peers: [await gpuContender('tf.matMul by H', product, burst)],
    dispose: () => tf.dispose([x, matrix]),
  };
}
