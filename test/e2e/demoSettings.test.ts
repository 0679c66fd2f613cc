import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { MODELS } from '../../examples/browser/shared/choices.js';
import { preferredBackend } from '../../examples/browser/shared/preferred.js';
import type { BackendState } from '../../examples/browser/shared/protocol.js';
import {
  DEFAULTS,
  linkOf,
  readLink,
  type Settings,
} from '../../examples/browser/shared/settings.js';
import { ROOT } from '../../scripts/process.js';

describe('Settings of the demo', () => {
  it('come back from their link', () => {
    const settings: Settings = {
      ...{ model: 'fashion', backend: 'webgpu', source: 'packed', bits: 'W8A8' },
      ...{ method: 'auto', calibration: 'full', packed: 'https://a.example/b c/model.json?d=1&e' },
      ...{ label: 9, pictures: 1, steps: 50, solver: 'heun', guidance: 2.5, seed: 4_294_967_295 },
      check: 'off',
    };
    for (const one of [settings, DEFAULTS]) {
      expect(readLink(`#${linkOf(one)}`)).to.deep.equal({ settings: one, notes: [] });
    }
  });

  it('WebGPU is chosen for who chooses nothing, where a GPU is behind it', () => {
    const state = (name: BackendState['name'], available: boolean, note = '') => ({
      ...{ name, available, note },
    });
    const wasm = state('wasm', true, '2 threads');
    const chosen = (...states: BackendState[]) => preferredBackend([wasm, ...states]);
    expect(chosen(state('webgl', true), state('webgpu', true))).to.equal('webgpu');
    expect(chosen(state('webgpu', true, 'by software, no GPU: slow'))).to.equal('wasm');
    expect(chosen(state('webgl', true), state('webgpu', false))).to.equal('wasm');
  });

  const wrong: readonly (readonly [string, string])[] = [
    ['pictures=5', 'pictures must be an integer from 1 to 4, got 5: 4 is used'],
    ['pictures=', 'pictures must be an integer from 1 to 4, got nothing: 4 is used'],
    ['steps=2.5', 'steps must be an integer from 1 to 50, got 2.5: 8 is used'],
    ['guidance=much', 'guidance must be a number from 0 to 10, got much: 1 is used'],
    ['seed=4294967296', 'seed must be an integer from 0 to 4294967295'],
    ['model=fashion&label=10', 'fashion has no class 10: all is used'],
    ['packed=javascript:alert(1)', 'packed must be an http or https address'],
    ['__proto__=1', 'there is no __proto__'],
  ];
  for (const [link, note] of wrong) {
    it(`${link}: the default, and a note`, () => {
      const { settings, notes } = readLink(link);
      expect(notes).to.have.length(1);
      expect(notes[0]).to.include(note);
      expect(settings).to.deep.equal({ ...DEFAULTS, model: settings.model });
    });
  }
});

describe('Models of the demo', () => {
  it('knows the sides and classes of the models that it offers', async () => {
    for (const { name, side, classes } of MODELS) {
      const file = join(ROOT, 'models', name, 'model.json');
      const { userDefinedMetadata } = JSON.parse(await readFile(file, 'utf8'));
      const { inputSize, numClasses } = userDefinedMetadata.dit;
      expect([side, classes.length], name).to.deep.equal([inputSize, numClasses]);
    }
  });
});
