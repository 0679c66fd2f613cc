import * as tf from '@tensorflow/tfjs';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { expect } from 'chai';
import { backendLoaded, loadWithBackend, wrapFactory } from '../../../ops/common/withBackend.js';

describe('What comes with a backend', () => {
  const names: string[] = [];

  function register(name: string): void {
    names.push(name);
    tf.registerBackend(name, () => new MathBackendCPU());
  }

  after(async () => {
    await tf.setBackend('cpu');
    for (const name of names) tf.removeBackend(name);
  });

  for (const when of ['before', 'after']) {
    it(`is there when the backend is chosen, which was registered ${when}`, async () => {
      const name = `registered-${when}`;
      const done: string[] = [];
      if (when === 'before') register(name);
      loadWithBackend(name, async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        done.push('loaded');
      });
      if (when === 'after') register(name);
      await backendLoaded(name);
      expect(done).to.deep.equal([]);
      expect(await tf.setBackend(name)).to.equal(true);
      expect(done).to.deep.equal(['loaded']);
      expect(tf.getBackend()).to.equal(name);
    });
  }

  it('is loaded at once for a backend that was chosen before, and waited for', async () => {
    register('chosen-before');
    await tf.setBackend('chosen-before');
    let loaded = false;
    loadWithBackend('chosen-before', async () => {
      await Promise.resolve();
      loaded = true;
    });
    expect(loaded).to.equal(false);
    await backendLoaded('chosen-before');
    expect(loaded).to.equal(true);
  });

  it('is missing: the backend is not chosen, which is said, and a second try may do', async () => {
    register('fails-once');
    let tries = 0;
    loadWithBackend('fails-once', async () => {
      tries++;
      if (tries === 1) throw new Error('no network');
    });
    const { warn } = console;
    const said: string[] = [];
    console.warn = (...words: unknown[]) => said.push(words.join(' '));
    try {
      expect(await tf.setBackend('fails-once')).to.equal(false);
      expect(said.join('\n')).to.include('no network');
      expect(await tf.setBackend('fails-once')).to.equal(true);
    } finally {
      console.warn = warn;
    }
    expect(tries).to.equal(2);
  });

  it('touches no other backend', async () => {
    let wrapped = 0;
    wrapFactory('one', (factory) => {
      wrapped++;
      return factory;
    });
    register('two');
    expect(wrapped).to.equal(0);
    register('one');
    expect(wrapped).to.equal(1);
  });
});
