import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { channelCenterContract } from '../../../ops/channelCenter/contract.js';
import { whyNot } from '../../../ops/common/capability.js';
import { kernelKind } from '../../../ops/common/kernel.js';
import { fakeQuantContract } from '../../../ops/fakeQuant/contract.js';
import { hadamardTransformContract } from '../../../ops/hadamardTransform/contract.js';
import { hadaNormQuantizeContract } from '../../../ops/hadaNormQuantize/contract.js';
import { layerNormContract } from '../../../ops/modulatedLayerNorm/contract.js';
import { FLOAT32 } from '../../../ops/numerics/formats.js';
import { quantizedMatMulContract } from '../../../ops/quantizedMatMul/contract.js';
import { attentionContract } from '../../../ops/scaledDotProductAttention/contract.js';
import { whyNoPasses } from '../../../ops/webgl/hadamardPasses.js';
import '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { channelGroups, weightFormat } from '../../harness/numbers/formats.js';

const CODES = { format: channelGroups(8, false, 64), blockSize: 64 };
const PRODUCT = { d: 64, format: weightFormat(4, 16), xFormat: CODES.format };

/** Backends that multiply codes by codes. */
const INTEGER = ['cpu', 'wasm', 'webgl', 'webgpu'];
/** What groups must be a multiple of, where they must. */
const MULTIPLE: Readonly<Record<string, number>> = { wasm: 4, webgpu: 8 };

describe('What kernels take', () => {
  describeOnBackends('A form', (name) => {
    const missing = `there is no integer kernel for ${name}`;

    it('an op with a kernel of its own has nothing to say', () => {
      const without = (op: string) => `there is no ${op} kernel for ${name}`;
      const said = {
        ChannelCenter: whyNot(channelCenterContract, name, {}),
        FakeQuant: whyNot(fakeQuantContract, name, { format: CODES.format }),
        HadamardTransform: whyNot(hadamardTransformContract, name, { blockSize: 12 }),
        ScaledDotProductAttention: whyNot(attentionContract, name, {}),
        ModulatedLayerNorm: whyNot(layerNormContract, name, {}),
      };
      for (const [op, why] of Object.entries(said)) {
        const isOwn = kernelKind(op, name) === 'own';
        expect(why, op).to.equal(isOwn ? null : without(op));
      }
    });

    it('codes and integers: where they are made and multiplied, and why not', () => {
      const wanted = INTEGER.includes(name) ? null : missing;
      expect(whyNot(hadaNormQuantizeContract, name, CODES)).to.equal(wanted);
      expect(whyNot(quantizedMatMulContract, name, PRODUCT)).to.equal(wanted);
      const float = { ...PRODUCT, xFormat: FLOAT32 };
      expect(whyNot(quantizedMatMulContract, name, float)).to.equal(null);
    });

    it('groups that end within a word: not in integers on wasm and webgpu', () => {
      for (const odd of [
        { format: weightFormat(4, 6) },
        { xFormat: channelGroups(8, false, 18) },
      ]) {
        const why = whyNot(quantizedMatMulContract, name, { ...PRODUCT, ...odd });
        const multiple = MULTIPLE[name];
        if (multiple !== undefined) {
          const wanted = `integer kernels for ${name} need groups of a multiple of ${multiple}`;
          expect(why).to.equal(wanted);
        } else expect(why).to.equal(INTEGER.includes(name) ? null : missing);
      }
      // one group is as long as it is
      const whole = {
        ...{ d: 18, format: weightFormat(4, 18), xFormat: channelGroups(8, false, 18) },
      };
      expect(whyNot(quantizedMatMulContract, name, whole)).to.equal(
        INTEGER.includes(name) ? null : missing,
      );
    });

    it('what no backend has a kernel for', () => {
      const said = [
        whyNot(quantizedMatMulContract, name, { ...PRODUCT, format: FLOAT32 }),
        whyNot(hadaNormQuantizeContract, name, { ...CODES, format: channelGroups(9, false, 64) }),
        whyNot(hadaNormQuantizeContract, name, { ...CODES, blockSize: 7 }),
        whyNot(hadamardTransformContract, name, { blockSize: 3 }),
        whyNot(fakeQuantContract, name, { format: channelGroups(17, false, 64) }),
      ];
      expect(said).to.deep.equal([
        'the weights are not quantized',
        'codes have 2 to 8 bits',
        'there is no Hadamard matrix of size 7',
        'there is no Hadamard matrix of size 3',
        'codes have 2 to 16 bits',
      ]);
    });
  });

  it('a backend without kernels has the composition alone, and one not set up says so', () => {
    expect(whyNot(quantizedMatMulContract, 'other', PRODUCT)).to.equal(
      'there is no integer kernel for other',
    );
    if (tf.findBackend('webgl') !== null) return;
    const why = whyNot(hadamardTransformContract, 'webgl', { blockSize: 12 });
    expect(why).to.equal('the backend webgl is not set up');
  });

  it('sizes that webgl leaves to the dense product', () => {
    expect(whyNoPasses(1024)).to.equal(null);
    expect(whyNoPasses(164)).to.equal(
      'passes on webgl take dense factors up to 160, not that of 164',
    );
  });
});
