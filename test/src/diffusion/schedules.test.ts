import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../../scripts/process.js';
import { InvalidArgumentError } from '../../../src/index.js';
import { noiseSchedule } from '../../../src/load.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { ScheduleCases } from '../../harness/models/scheduleCases.js';

const fixture = (name: string) => readFileSync(join(ROOT, 'test', 'fixtures', name));
const ALL = new ScheduleCases(`${fixture('schedules.json')}`, fixture('schedules.safetensors'));
const CASES = ALL.cases;

describe('noiseSchedule', () => {
  for (const [name, { config, options }] of Object.entries(CASES)) {
    it(`${name}: the timesteps of diffusers, to the bit`, () => {
      const { evaluations } = noiseSchedule(config, options);
      const timesteps = evaluations.map(({ timestep }) => timestep);
      expect(timesteps).to.deep.equal(ALL.timesteps(name));
    });
  }

  const DDIM = { _class_name: 'DDIMScheduler', clip_sample: false };
  const wrong: [string, Record<string, unknown>, object, RegExp][] = [
    ['another class', { _class_name: 'PNDMScheduler' }, {}, /must be DDIMScheduler, .*got "PNDM/],
    ['clipping', { ...DDIM, clip_sample: true }, {}, /clip_sample must be false, got true/],
    ['a field that is not known', { ...DDIM, twist: 1 }, {}, /config\.twist must be absent, got 1/],
    ['steps of none', DDIM, { steps: 0 }, /steps must be an integer from 1/],
    ['an unknown option', DDIM, { step: 3 }, /options must be made of steps, eta, mu/],
    ['mu without its config', CASES.flowEuler!.config, { mu: 1 }, /mu must be absent/],
    ['a config without its mu', CASES.flowDynamic!.config, {}, /mu must be a number, for the/],
  ];
  for (const [what, config, options, message] of wrong) {
    it(`refuses ${what}`, () => {
      expect(() => noiseSchedule(config, options)).to.throw(InvalidArgumentError, message);
    });
  }
});

describeOnBackends('Schedules', () => {
  for (const name of Object.keys(CASES)) {
    it(`${name}: each step is diffusers' within 1e-6`, () => ALL.check(name));
  }
});
