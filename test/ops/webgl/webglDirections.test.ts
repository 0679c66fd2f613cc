import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { packCodes } from '../../../ops/numerics/packing.js';
import {
  type HadaNormQuantizeOptions,
  hadaNormQuantize,
  type PackedWeights,
  quantizedMatMul,
} from '../../../src/index.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import {
  describeOnWebgl,
  expectCodesOfCpu,
  expectNoGpuLeak,
  PLACES,
  webglBackend,
  withFlags,
} from '../../harness/webgl/webgl.js';

type Put = (values: Float32Array, shape: number[]) => tf.Tensor;

const onHost: Put = (values, shape) => tf.tensor(values, shape);

/** A site [..., tokens, d], how many directions it has, and the outputs of its linear. */
interface Site {
  readonly shape: number[];
  readonly rank: number;
  readonly n: number;
}

const SMALL: Site = { shape: [2, 6, 64], rank: 16, n: 20 };
/** In small textures what goes along is folded, or the weights that it is multiplied by. */
const SITES: readonly Site[] = [
  { shape: [2, 52, 64], rank: 16, n: 61 },
  { shape: [3, 5, 33], rank: 3, n: 101 },
];

describeOnWebgl('Directions in WebGL kernels', () => {
  for (const [subtract, most] of [
    [false, 2],
    [true, 4],
  ] as const) {
    it(`take ${most} passes more, all of the quantizer${subtract ? ', subtracted' : ''}`, () => {
      tf.tidy(() => {
        const run = site(SMALL);
        for (const beside of [false, true]) run({ beside, subtract });
        const [without, beside] = [false, true].map((way) =>
          passesOf(() => run({ beside: way, subtract })),
        );
        expect(beside! - without!).to.equal(most);
      });
    });
  }

  for (const one of SITES) {
    const { shape } = one;
    const run = (by?: Put) =>
      tf.tidy(() => site(one, by)({ beside: true, subtract: true }).map(values));
    for (const [place, put] of Object.entries(PLACES)) {
      it(`[${shape}] ${place}: the same bits, and no texture left behind`, () => {
        withFlags({ WEBGL_CPU_FORWARD: false }, () => {
          // what is put in place may be rounded
          const rounded: Put = (given, of) => onHost(values(put(given, of)), of);
          const wanted = run(rounded);
          expect(expectNoGpuLeak(() => run(put))).to.deep.equal(wanted);
        });
      });
    }

    it(`[${shape}] with textures of at most 48 × 48 texels: the same bits`, () => {
      const wanted = run();
      withFlags({ WEBGL_MAX_TEXTURE_SIZE: 48 }, () => {
        expect(expectNoGpuLeak(run)).to.deep.equal(wanted);
      });
    });
  }

  it('codes are those of the cpu backend, or next to them, one in a thousand at most', async () => {
    await expectCodesOfCpu(() =>
      tf.tidy(() => {
        const directions = tf.tensor2d(normal(384 * 16, 2, 0, 0.05), [384, 16]);
        const options = { bits: 4, groupSize: 64, directions, subtract: true };
        const x = tf.tensor(normal(2 * 77 * 384, 9, 0.3), [2, 77, 384]);
        return Array.from(hadaNormQuantize(x, options).quantized.codes.dataSync());
      }),
    );
  });

  it('float16 textures leave them to the composition, near to what float32 ones give', () => {
    const run = () => tf.tidy(() => site(SMALL)({ beside: true, subtract: false }).map(values));
    const exact = run();
    const half = withFlags({ WEBGL_RENDER_FLOAT32_ENABLED: false }, () => expectNoGpuLeak(run));
    const [y, wanted] = [half.at(-1)!, exact.at(-1)!];
    const largest = wanted.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    const far = y.findIndex((v, i) => !(Math.abs(v - wanted[i]!) <= 0.05 * largest));
    expect(far, `${y[far]} for ${wanted[far]}`).to.equal(-1);
  });
});

function values(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync());
}

/** A site and a linear behind it, with what goes along directions or not. */
function site({ shape, rank, n }: Site, put: Put = onHost) {
  const d = shape[shape.length - 1]!;
  const x = put(normal(sizeOf(shape), 1), shape);
  const scale = tf.tensor1d(normal(d, 2).map((v) => 1 + Math.abs(v)));
  const directions = put(normal(d * rank, 3, 0, d ** -0.5), [d, rank]);
  const rows = put(normal((rank + 2) * n, 4), [rank + 2, n]);
  const directionScale = tf.tensor1d(normal(rank + 2, 5));
  const weights: PackedWeights = {
    codes: tf.tensor1d(packCodes(new Int8Array(d * n).fill(1), d, n, 4), 'bool'),
    scale: tf.fill([1, n], 0.1),
    ...{ bits: 4, groupSize: d, shape: [d, n] },
  };
  return ({ beside, subtract }: { beside: boolean; subtract: boolean }): tf.Tensor[] => {
    const options: HadaNormQuantizeOptions = beside ? { directions, subtract } : {};
    const blockSize = d % 2 === 0 ? d : 0;
    const result = hadaNormQuantize(x, { scale, blockSize, ...options });
    const { residual, along, quantized } = result;
    const branch = along === null ? {} : { along, directionWeights: rows, directionScale };
    const given = { residual: residual!, ...branch, activation: 'gelu' } as const;
    const y = quantizedMatMul(quantized, weights, given);
    return [quantized.codes, residual!, ...(along === null ? [] : [along]), y];
  };
}

/** How many passes something takes. */
function passesOf(run: () => void): number {
  const backend = webglBackend();
  const { runWebGLProgram } = backend;
  let count = 0;
  backend.runWebGLProgram = (...given) => {
    count++;
    return runWebGLProgram.apply(backend, given);
  };
  try {
    run();
  } finally {
    backend.runWebGLProgram = runWebGLProgram;
  }
  return count;
}
