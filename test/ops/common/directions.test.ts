import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { whyNoDirections, withDirections } from '../../../ops/common/directions.js';
import { hadaNormQuantizeContract } from '../../../ops/hadaNormQuantize/contract.js';
import { quantizedMatMulContract } from '../../../ops/quantizedMatMul/contract.js';
import { hadaNormQuantize, quantizedMatMul } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { channelGroups, weightFormat } from '../../harness/numbers/formats.js';

const CODES = { format: channelGroups(8, false, 64), blockSize: 64 };
const PRODUCT = { d: 64, format: weightFormat(4, 16), xFormat: CODES.format };

/** Backends whose kernels take directions among their inputs: of the quantizer, of the product. */
const TAKE = {
  quantizer: ['cpu', 'wasm', 'webgl', 'webgpu'],
  product: ['cpu', 'tensorflow', 'wasm', 'webgl', 'webgpu'],
};

describe('Directions beside the codes', () => {
  describeOnBackends('Kernels', (name) => {
    it('that take them say so', () => {
      const takes = (reason: string | null) => reason === null;
      const quantizer = whyNoDirections(hadaNormQuantizeContract, CODES, 16);
      expect(takes(quantizer), `${quantizer}`).to.equal(TAKE.quantizer.includes(name));
      const product = whyNoDirections(quantizedMatMulContract, PRODUCT, 16);
      expect(takes(product), `${product}`).to.equal(TAKE.product.includes(name));
    });
  });

  describe('A kernel', () => {
    const own = new Map<string, tf.KernelConfig>();
    let given: string[] = [];

    /** cpu's kernels, which note their inputs and take the directions of this rank. */
    function spy(rank: number): void {
      given = [];
      for (const { kernelName } of [hadaNormQuantizeContract, quantizedMatMulContract]) {
        const config = own.get(kernelName) ?? tf.getKernel(kernelName, 'cpu');
        own.set(kernelName, config);
        tf.unregisterKernel(kernelName, 'cpu');
        const kernelFunc: tf.KernelFunc = (params) => {
          given.push(...Object.keys(params.inputs));
          return config.kernelFunc(params);
        };
        const supports = (_: unknown, asked: number) => (asked === rank ? null : 'another rank');
        tf.registerKernel(withDirections({ ...config, kernelFunc }, supports));
      }
    }

    before(() => tf.setBackend('cpu'));

    after(() => {
      for (const [name, config] of own) {
        tf.unregisterKernel(name, 'cpu');
        tf.registerKernel(config);
      }
    });

    for (const [rank, wanted] of [
      [2, ['x', 'directions', 'x', 'codes', 'along', 'directionWeights']],
      // the quantizer alone, of what is left
      [3, ['x', 'x', 'codes']],
    ] as const) {
      it(`is given ${rank === 2 ? 'directions that it takes' : 'no others'}`, () => {
        spy(2);
        tf.tidy(() => {
          const directions = tf.ones([4, rank]);
          const { along } = hadaNormQuantize(tf.ones([2, 4]), { directions });
          const weights = {
            codes: tf.ones([4, 1]),
            bits: 32,
            groupSize: 4,
            shape: [4, 1],
          } as const;
          const directionWeights = tf.ones([rank, 1]);
          const y = quantizedMatMul(tf.ones([2, 4]), weights, { along: along!, directionWeights });
          expect([...y.dataSync()]).to.deep.equal([4 + 2 * rank, 4 + 2 * rank]);
        });
        expect(given).to.deep.equal(wanted);
      });
    }
  });
});
