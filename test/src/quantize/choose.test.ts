import { expect } from 'chai';
import { type Way, wayKey, waysOf } from '../../../src/quantize/candidates.js';
import {
  type Choice,
  chooseMethod,
  chooseWay,
  type Judge,
  measuredWays,
} from '../../../src/quantize/choose.js';

const OPEN = { tokens: true, rotatable: true, centering: true, rotation: true };

/** HadaNorm's, all open, the cheapest first. */
const WAYS = waysOf('hadanorm', {}, OPEN);
const NAMES = ['plain', 'balanced', 'QuaRot', 'balanced, rotated', 'centered', 'HadaNorm'] as const;
type Name = (typeof NAMES)[number];

const KEYS = WAYS.map(wayKey);
const nameOf = (way: Way) => NAMES[KEYS.indexOf(wayKey(way))]!;

/**
 * Decibels of each way, on some of the channels and on all, and what is done with it.
 * @param told By how many decibels some of the channels tell ways apart.
 */
function judge(
  sampled: Partial<Record<Name, number>>,
  whole = sampled,
  told = Number.POSITIVE_INFINITY,
) {
  const [measured, dropped]: [Name[], Name[]] = [[], []];
  const trials: Judge = {
    sampled: (way) => sampled[nameOf(way)] ?? 0,
    whole: (way) => {
      measured.push(nameOf(way));
      return whole[nameOf(way)] ?? 0;
    },
    isBehind: (way, other, dB) => sampled[nameOf(other)]! - sampled[nameOf(way)]! > dB + told,
    drop: (way, { transform }) => {
      if (transform) dropped.push(nameOf(way));
    },
  };
  return { trials, measured, dropped };
}

function chosen(sampled: Partial<Record<Name, number>>, whole = sampled): Name {
  return nameOf(chooseWay(judge(sampled, whole).trials, WAYS, new Set()).way);
}

function outputsOf(trials: Judge, choice: Choice): number[] {
  return measuredWays(trials, choice).map(({ output }) => output);
}

describe('Ways to treat a site', () => {
  const told = (ways: readonly Way[]) =>
    ways.map(({ parts }) => [parts.center, parts.scale, parts.rotate]);

  it('are all that the options leave open, the cheapest at run time first', () => {
    expect(told(WAYS)).to.deep.equal([
      ['none', 'none', false],
      ['none', 'balanced', false],
      ['none', 'none', true],
      ['none', 'balanced', true],
      ['dynamic', 'balanced', false],
      ['dynamic', 'balanced', true],
    ]);
    const few = waysOf('hadanorm', {}, { ...OPEN, rotation: false });
    expect(told(few)).to.deep.equal([
      ['none', 'none', true],
      ['none', 'balanced', true],
      ['dynamic', 'balanced', true],
    ]);
  });

  it('are one where nothing can be measured: centered, balanced, rotated if that can be', () => {
    const blind = { ...OPEN, centering: false, rotation: false };
    expect(told(waysOf('hadanorm', {}, blind))).to.deep.equal([['dynamic', 'balanced', true]]);
    const narrow = { ...blind, rotatable: false };
    expect(told(waysOf('hadanorm', {}, narrow))).to.deep.equal([['dynamic', 'balanced', false]]);
  });

  it('hold what was asked for', () => {
    const scaled = waysOf('hadanorm', { scale: 'std', rotate: false }, OPEN);
    expect(told(scaled)).to.deep.equal([
      ['none', 'std', false],
      ['dynamic', 'std', false],
    ]);
    for (const center of ['none', 'static', 'dynamic'] as const) {
      const ways = told(waysOf('hadanorm', { center }, OPEN));
      expect(ways).to.deep.equal([
        [center, 'balanced', false],
        [center, 'balanced', true],
      ]);
    }
    expect(told(waysOf('rtn', {}, OPEN))).to.deep.equal([['none', 'none', false]]);
    expect(told(waysOf('rtn', { center: 'auto' }, OPEN))).to.deep.equal([
      ['none', 'none', false],
      ['dynamic', 'none', false],
    ]);
  });

  it('never center rows that are their own mean', () => {
    for (const method of ['hadanorm', 'centered'] as const) {
      const ways = waysOf(method, {}, { ...OPEN, tokens: false });
      expect(ways.every(({ parts }) => parts.center === 'none')).to.equal(true);
      expect(new Set(ways.map(wayKey)).size).to.equal(ways.length);
    }
  });
});

describe('The choice between ways', () => {
  it('is the least error', () => {
    expect(chosen({ HadaNorm: 30, QuaRot: 29 })).to.equal('HadaNorm');
    expect(chosen({ HadaNorm: 29, QuaRot: 30 })).to.equal('QuaRot');
    expect(chosen({ plain: -1, HadaNorm: -2, QuaRot: -3, balanced: -4 })).to.not.equal('plain');
  });

  it('is the cheapest of equals', () => {
    expect(chosen({ plain: 30, HadaNorm: 30.04 })).to.equal('plain');
    expect(chosen({ plain: 30, HadaNorm: 30.06 })).to.equal('HadaNorm');
    const lossless = Number.POSITIVE_INFINITY;
    expect(chosen({ balanced: lossless, HadaNorm: lossless })).to.equal('balanced');
  });

  it('is never worse than QuaRot for being cheaper', () => {
    expect(chosen({ plain: 30, QuaRot: 30.04, HadaNorm: 30.04 })).to.equal('QuaRot');
    expect(chosen({ plain: 30.02, QuaRot: 30.01, HadaNorm: 30.04 })).to.equal('plain');
  });

  it('is never what measures NaN, unless all do', () => {
    const all = Object.fromEntries(NAMES.map((name) => [name, Number.NaN]));
    for (const name of NAMES) expect(chosen({ ...all, [name]: -5 })).to.equal(name);
    const none = judge(all).trials;
    const choice = chooseWay(none, WAYS, new Set());
    expect(nameOf(choice.way)).to.equal('plain');
    expect(outputsOf(none, choice)).to.deep.equal(WAYS.map(() => Number.NaN));
    const one = judge({ ...all, HadaNorm: 9 }).trials;
    const some = outputsOf(one, chooseWay(one, WAYS, new Set()));
    expect(some).to.deep.equal([...Array(5).fill(NaN), 9]);
  });

  it('measures on all channels what is close on some, and tells the rest alike', () => {
    const sampled = { plain: 20, balanced: 28, 'balanced, rotated': 29.5, HadaNorm: 30 };
    const whole = { 'balanced, rotated': 32.5, HadaNorm: 32 };
    const { trials, measured, dropped } = judge(sampled, whole);
    const choice = chooseWay(trials, WAYS, new Set());
    expect(nameOf(choice.way)).to.equal('balanced, rotated');
    expect(measured).to.deep.equal(['balanced, rotated', 'HadaNorm']);
    expect(outputsOf(trials, choice)).to.deep.equal([23, 31, 3, 32.5, 3, 32]);
    expect(new Set(dropped)).to.deep.equal(
      new Set(NAMES.filter((name) => name !== 'balanced, rotated')),
    );
  });

  it('measures nothing on all channels where some tell one way before all others', () => {
    const sampled = { plain: 29.8, balanced: 29.5, QuaRot: 29.2, HadaNorm: 30 };
    const { trials, measured, dropped } = judge(sampled, { HadaNorm: 31 }, 0.1);
    const choice = chooseWay(trials, WAYS, new Set());
    expect([nameOf(choice.way), measured]).to.deep.equal(['HadaNorm', []]);
    expect(new Set(dropped)).to.deep.equal(new Set(NAMES.filter((name) => name !== 'HadaNorm')));
    expect(outputsOf(trials, choice)).to.deep.equal([30.8, 30.5, 30.2, 1, 1, 31]);
    expect(measured).to.deep.equal(['HadaNorm']);
  });

  it('measures on all channels what some do not tell apart, and takes none of the others', () => {
    const sampled = { plain: 29.8, balanced: 29.5, QuaRot: 29.2, HadaNorm: 30 };
    const whole = { plain: 30.5, HadaNorm: 30.2 };
    const { trials, measured } = judge(sampled, whole, 0.2);
    expect(nameOf(chooseWay(trials, WAYS, new Set()).way)).to.equal('plain');
    expect(measured).to.deep.equal(['plain', 'HadaNorm']);
  });

  it('keeps the transforms that are needed later', () => {
    const pinned = new Set(WAYS.filter((way) => nameOf(way) === 'QuaRot').map(wayKey));
    const { trials, dropped } = judge({ HadaNorm: 30 });
    chooseWay(trials, WAYS, pinned);
    expect(dropped).to.not.include('QuaRot');
    expect(dropped).to.include('plain');
  });

  it('measures nothing where there is one way', () => {
    const { trials, measured } = judge({});
    const choice = chooseWay(trials, WAYS.slice(2, 3), new Set());
    expect([nameOf(choice.way), choice.looked, measured]).to.deep.equal(['QuaRot', [], []]);
  });

  it('is made between methods as between ways', () => {
    const { trials } = judge({ plain: 20, QuaRot: 29, HadaNorm: 30 });
    const [hadamard, rtn] = (['hadamard', 'rtn'] as const).map((method) =>
      chooseWay(trials, waysOf(method, {}, OPEN), new Set()),
    );
    const hadanorm = chooseWay(trials, WAYS, new Set());
    const choice = chooseMethod(trials, [rtn!, hadamard!, hadanorm]);
    expect(choice.way.method).to.equal('hadanorm');
    expect(measuredWays(trials, choice).map(({ method }) => method)).to.deep.equal([
      ...['rtn', 'hadamard'],
      ...WAYS.map(() => 'hadanorm'),
    ]);
    expect(chooseMethod(trials, [rtn!, hadamard!]).way.method).to.equal('hadamard');
  });
});
