import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { CONFIGURATION_NAMES } from '../../../../models/research/evaluation/configurations.js';
import { commandOf } from '../../../../models/research/evaluation/flags.js';
import { ROOT } from '../../../../scripts/process.js';
import { InvalidArgumentError } from '../../../../src/index.js';
import { CHILD_ENV } from '../../../harness/run/child.js';

const planOf = (...args: string[]) => {
  const command = commandOf(args);
  return command.kind === 'evaluate' ? command.plan : expect.fail('not an evaluation');
};

describe('Flags of npm run evaluate', () => {
  it('without any, every configuration at every bit-width on avatars-nano', () => {
    const plan = planOf();
    expect(plan.model).to.equal('avatars-nano');
    expect(plan.configurations).to.deep.equal(CONFIGURATION_NAMES);
    expect(plan.bits.map(({ name }) => name)).to.deep.equal(['W8A8', 'W4A8', 'W4A4']);
    expect([plan.samples, plan.steps, plan.count, plan.offline]).to.deep.equal([
      512,
      8,
      4096,
      false,
    ]);
    expect([plan.json, plan.sheet]).to.deep.equal([null, null]);
  });

  it('lists are taken apart', () => {
    const plan = planOf('--configurations', 'rtn, gptq', '--bits', 'W3A8');
    expect(plan.configurations).to.deep.equal(['rtn', 'gptq']);
    expect(plan.bits).to.deep.equal([{ name: 'W3A8', weights: 3, activations: 8 }]);
  });

  it('--docs takes files', () => {
    const command = commandOf(['--docs', 'a.json', 'b.json']);
    expect(command).to.deep.equal({ kind: 'docs', files: ['a.json', 'b.json'] });
  });

  for (const [args, message] of [
    [['--model', 'dall-e'], '--model must be among avatars, avatars-nano, fashion'],
    [['--configurations', 'rtn,auto'], '--configurations must be among rtn, gptq'],
    [
      ['--configurations', 'rtn,hadanorm-small', '--bits', 'W8A8,W4A4'],
      'W8A8, W4A8 and W4A4, got hadanorm-small at W8A8, W4A4',
    ],
    [['--bits', 'W9A4'], '--bits must be a list such as W8A8,W4A4, of 2 to 8 bits, got W9A4'],
    [['--bits', ''], 'got nothing'],
    [['--samples', '1'], '--samples must be an integer ≥ 2, got 1'],
    [['--steps', '2.5'], '--steps must be an integer ≥ 1, got 2.5'],
    [['--seed=-1'], '--seed must be an integer ≥ 0, got -1'],
    [['--count', '100'], '--count must be a multiple of 64, got 100'],
    [['--docs'], '--docs must be followed by the files'],
    [['rtn'], 'flags must be of the form --name, got rtn'],
  ] as const) {
    it(`${args.join(' ')} is refused`, () => {
      expect(() => commandOf(args)).to.throw(InvalidArgumentError, message);
    });
  }

  it('a flag that there is none of is named, with exit code 2 and nothing else done', () => {
    const script = join('models', 'research', 'evaluation', 'main.ts');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', script, '--method', 'rtn'],
      { cwd: ROOT, encoding: 'utf8', env: CHILD_ENV },
    );
    expect(status, stderr).to.equal(2);
    expect(stderr).to.include("'--method'");
    expect(stdout).to.equal('');
  });
});
