import { expect } from 'chai';
import { flag, needed, readFlags, repeated, SWITCH, usageOf } from '../../../src/cli/flags.js';
import { bits, integer, listOf, NUMBER, oneOf, text } from '../../../src/cli/readers.js';
import { optionsOf, parseBits, shippedOptions } from '../../../src/cli/values.js';
import { InvalidArgumentError, PRESETS } from '../../../src/index.js';

const FLAGS = {
  model: flag(text('NAME'), 'nano'),
  json: flag(text('FILE')),
  steps: flag(integer(1), '20'),
  cfg: flag(NUMBER, '1'),
  solver: flag(oneOf(['euler', 'heun']), 'euler'),
  bits: flag(listOf(bits('W4A8,W4A4')), 'W4A8'),
  backend: repeated(oneOf(['cpu', 'wasm'])),
  offline: SWITCH,
};
const W4A8 = { name: 'W4A8', weights: 4, activations: 8 };

const read = (...args: string[]) => readFlags('it', FLAGS, args);

describe('Flags of commands', () => {
  it('an absent flag means its default, null where there is none', () => {
    expect(read().values).to.deep.equal({
      ...{ model: 'nano', json: null, steps: 20, cfg: 1, solver: 'euler' },
      ...{ bits: [W4A8], backend: [], offline: false },
    });
  });

  it('each kind is read, in two words or with =', () => {
    const args = '--model a --json=b --steps 3 --cfg=-1.5 --solver heun --bits W4A8,W2A3 --offline';
    const { values, given } = read(...args.split(' '), '--backend', 'wasm', '--backend=cpu');
    expect(values).to.deep.equal({
      ...{ model: 'a', json: 'b', steps: 3, cfg: -1.5, solver: 'heun' },
      ...{ bits: [W4A8, { name: 'W2A3', weights: 2, activations: 3 }] },
      ...{ backend: ['wasm', 'cpu'], offline: true },
    });
    expect([...given]).to.have.members(Object.keys(FLAGS));
  });

  it('what is no flag is given where it is asked for, and refused where not', () => {
    const { others, given } = readFlags('it', FLAGS, ['a', '--steps', '3', 'b'], { others: 'X …' });
    expect(others).to.deep.equal(['a', 'b']);
    expect([...given]).to.deep.equal(['steps']);
    expect(() => read('a')).to.throw(InvalidArgumentError, "got Unexpected argument 'a'");
  });

  for (const [args, message] of [
    [['--steps', '0'], 'it: --steps must be an integer ≥ 1, got 0.'],
    [['--steps', '1e10'], 'it: --steps must be an integer ≥ 1, got 1e10.'],
    [['--steps', ''], 'it: --steps must be an integer ≥ 1, got nothing.'],
    [['--cfg', 'Infinity'], 'it: --cfg must be a number, got Infinity.'],
    [['--cfg', ' '], 'it: --cfg must be a number, got  .'],
    [['--solver', 'rk4'], 'it: --solver must be euler or heun, got rk4.'],
    [['--bits', 'W4A8,W1A8'], '--bits must be a list such as W4A8,W4A4, of 2 to 8 bits, got W1A8.'],
    [['--bits', 'W4A8,'], 'of 2 to 8 bits, got nothing.'],
    [['--backend', 'cpu', '--backend', 'gpu'], '--backend must be cpu or wasm, got gpu.'],
    [['--quiet'], 'flags must be --model, --json, --steps, --cfg, --solver, --bits, --backend'],
    [['--model'], "got Option '--model <value>' argument missing."],
    [['--offline=no'], "'--offline' does not take an argument"],
  ] as const) {
    it(`${args.join(' ')} is refused`, () => {
      expect(() => read(...args)).to.throw(InvalidArgumentError, message);
    });
  }

  it('a flag that has to be there is missed', () => {
    const flags = { out: needed(oneOf(['a', 'b'])) };
    expect(() => readFlags('it', flags, [])).to.throw('it: --out must be a or b, got none.');
    expect(readFlags('it', flags, ['--out', 'b']).values).to.deep.equal({ out: 'b' });
  });

  it('the usage line shows them all', () => {
    const { model, steps, solver, backend, offline } = FLAGS;
    const flags = { model, steps, solver, backend, offline, out: needed(text('FOLDER')) };
    expect(usageOf(flags, { others: 'FILE …' })).to.equal(
      '[FILE …] [--model NAME] [--steps N] [--solver euler|heun] [--backend cpu|wasm …] ' +
        '[--offline] --out FOLDER',
    );
  });
});

describe('Options of bits', () => {
  const [own, integers] = [parseBits('W4A8')!, { activations: { bits: 8 } }];

  it('rounding to nearest does so with weights too, other methods as they do by default', () => {
    expect(optionsOf(own, 'rtn')).to.deep.equal({
      ...{ method: 'rtn', weights: { bits: 4, rounding: 'nearest' } },
      ...integers,
    });
    expect(optionsOf(own, 'auto')).to.deep.equal({
      ...{ method: 'auto', weights: { bits: 4 } },
      ...integers,
    });
  });

  it('unless it is told', () => {
    expect(optionsOf(own, 'rtn', 'auto').weights).to.deep.equal({ bits: 4 });
    expect(optionsOf(own, 'hadanorm', 'gptq').weights).to.deep.equal({ bits: 4, rounding: 'gptq' });
  });

  it('are those of a preset where HadaNorm has one of these bits', () => {
    const [w4a8, own] = [parseBits('W4A8')!, parseBits('W3A6')!];
    const options = { ...PRESETS.W4A8.options, method: 'auto' };
    expect(shippedOptions(w4a8, 'auto')).to.deep.equal(options);
    expect(shippedOptions(w4a8, 'hadamard')).to.deep.equal(optionsOf(w4a8, 'hadamard'));
    expect(shippedOptions(own, 'hadanorm')).to.deep.equal(optionsOf(own, 'hadanorm'));
  });
});
