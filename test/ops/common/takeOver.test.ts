import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { takeOver } from '../../../ops/common/takeOver.js';

const KERNEL = 'TakenOverInATest';

describe("Kernels of tfjs's own that are taken over", () => {
  afterEach(() => tf.unregisterKernel(KERNEL, 'cpu'));

  const said = () => tf.getKernel(KERNEL, 'cpu')!.kernelFunc({ inputs: {}, backend: {} });
  const register = (mark = {}) => {
    const kernelFunc = (() => ['theirs']) as object as tf.KernelFunc;
    tf.registerKernel(Object.assign({ kernelName: KERNEL, backendName: 'cpu', kernelFunc }, mark));
  };
  const wrapped = (name: string) =>
    takeOver(KERNEL, 'cpu', (theirs) => {
      const kernelFunc = (params: Parameters<tf.KernelFunc>[0]) => [
        name,
        ...[theirs(params)].flat(),
      ];
      return kernelFunc as object as tf.KernelFunc;
    });

  it('are wrapped once, and again when they are registered anew', () => {
    register();
    wrapped('first');
    wrapped('second');
    expect(said()).to.deep.equal(['first', 'theirs']);
    tf.unregisterKernel(KERNEL, 'cpu');
    register();
    wrapped('third');
    expect(said()).to.deep.equal(['third', 'theirs']);
  });

  it('are left to another copy of the plugin that took them', () => {
    register({ [Symbol.for('tfjs-hadanorm.taken')]: true });
    wrapped('first');
    expect(said()).to.deep.equal(['theirs']);
  });
});
