import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  AbortedError,
  calibrate,
  InvalidArgumentError,
  PRESETS,
  type PresetName,
  type Progress,
  parseReport,
  type QuantizationReport,
  type QuantizeOptions,
  quantize,
  quantizedFiles,
  recommendRules,
  reportJson,
  rewriteGraph,
} from '../../../src/index.js';
import { withPreset } from '../../../src/rewrite/presetOptions.js';
import '../../harness/backends/backends.js';
import { tinyBatches, tinyDit } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

describe('quantize', () => {
  let model: tf.GraphModel;
  let batches: tf.NamedTensorMap[];

  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ depth: 1 });
    batches = tinyBatches(2);
  });
  after(() => {
    model.dispose();
    tf.dispose(batches);
  });

  for (const preset of Object.keys(PRESETS) as PresetName[]) {
    it(`${preset} is what the steps give with the preset's options`, async () => {
      await expectNoLeakAsync(async () => {
        const made = await quantize(model, batches, { preset });
        const stats = await calibrate(model, batches);
        const steps = rewriteGraph(model, { ...PRESETS[preset].options, stats, compare: false });
        expect(made.stats.serialize()).to.deep.equal(stats.serialize());
        expect(made.report).to.deep.equal(steps.report);
        expect(made.recipe).to.equal(null);
        expect(await quantizedFiles(made.model)).to.deep.equal(await quantizedFiles(steps.model));
        const { weightBits, activationBits } = made.report.linears.find(
          ({ role }) => role === 'attention.qkv',
        )!;
        expect(`W${weightBits}A${activationBits}`).to.equal(preset.split('-')[0]);
        made.model.dispose();
        steps.model.dispose();
      });
    });
  }

  it('takes options over the preset, and a preset that is none of the names', async () => {
    const stats = await calibrate(model, batches);
    const weights = { groupSize: 32 };
    const named = await quantize(model, stats, { preset: 'W4A8', weights, method: 'hadamard' });
    const groups = { weights: { bits: 4, groupSize: 32 }, method: 'hadamard' } as const;
    const options = { ...PRESETS.W4A8.options, ...groups };
    const own = await quantize(model, stats, { preset: { description: 'mine', options } });
    const steps = rewriteGraph(model, { ...options, stats, compare: false });
    expect(named.report).to.deep.equal(steps.report);
    expect(own.report).to.deep.equal(steps.report);
    tf.dispose([named.model, own.model, steps.model] as never);
  });

  it('puts options over what the rules of a preset say of the same', async () => {
    const stats = await calibrate(model, batches);
    const bitsOf = async (options: QuantizeOptions) => {
      const { model: small, report } = await quantize(model, stats, options);
      small.dispose();
      const bits = report.linears.map(({ role, weightBits }) => [role, weightBits] as const);
      return Object.fromEntries(bits.filter(([role]) => /^mlp|modulation/.test(role)));
    };
    expect(await bitsOf({})).to.deep.equal({ 'mlp.in': 4, 'mlp.out': 8, modulation: 4 });
    const all = await bitsOf({ weights: { bits: 6 } });
    expect(all).to.deep.equal({ 'mlp.in': 6, 'mlp.out': 6, modulation: 6 });
    const rules = [{ role: 'mlp.out', weights: { bits: 3 } }] as const;
    expect((await bitsOf({ weights: { bits: 6 }, rules }))['mlp.out']).to.equal(3);
    const plain = await quantize(model, stats, { lowRank: 0, method: 'hadamard' });
    plain.model.dispose();
    for (const { parts } of plain.report.linears) expect(parts?.branch).to.equal(undefined);
  });

  it('takes presets and recipes that were JSON', async () => {
    const stats = await calibrate(model, batches);
    const named = await quantize(model, stats, { preset: 'W4A8' });
    const recipe = recommendRules(named.report, { meanSqnr: 35 });
    const { options } = PRESETS.W4A8;
    for (const [given, wanted] of [
      [PRESETS.W4A4, PRESETS.W4A4.options],
      [recipe, { ...options, rules: [...options.rules, ...recipe.rules] }],
    ] as const) {
      const made = await quantize(model, stats, { preset: JSON.parse(JSON.stringify(given)) });
      const steps = rewriteGraph(model, { ...wanted, stats, compare: false });
      expect(made.report.linears).to.deep.equal(steps.report.linears);
      tf.dispose([made.model, steps.model] as never);
    }
    named.model.dispose();
  });

  it('an option that is undefined leaves the preset as it is', async () => {
    const absent = { lowRank: undefined, weights: { bits: undefined }, rules: undefined };
    const options = withPreset('test', 'W8A8', absent as object);
    expect(options).to.deep.equal(withPreset('test', 'W8A8', {}));
    expect(options).to.include({ lowRank: 0 });
  });

  it('tells of the rules that its caller wrote, and counts these', async () => {
    const stats = await calibrate(model, batches);
    const rules = [{ role: 'mlp.in' }, { role: 'mlp.gate' }] as const;
    const target = { minSqnr: 30 };
    const center = 'dynamic';
    const { model: small, report } = await quantize(model, stats, {
      ...{ lowRank: 0, center, rules, target },
    });
    small.dispose();
    expect(report.notes).to.deep.equal([
      "rules[1] (role 'mlp.gate') matches no linear; describeGraph lists what there is",
    ]);
  });

  it('reaches a target by the rules that are recommended, the others as they were', async () => {
    const stats = await calibrate(model, batches);
    const plain = await quantize(model, stats, {});
    const outputs = outputsOf(plain.report);
    const minSqnr = outputs.sort((a, b) => a - b)[outputs.length >> 1]!;
    await expectNoLeakAsync(async () => {
      const made = await quantize(model, stats, { target: { minSqnr } });
      const { rules } = recommendRules(plain.report, { minSqnr });
      expect(made.recipe!.rules).to.deep.equal(rules);
      const changed = new Set(rules.map(({ match }) => match));
      expect(changed.size).to.be.above(0).and.below(outputs.length);
      for (const [i, linear] of made.report.linears.entries()) {
        if (changed.has(linear.name)) {
          expect([linear.weightBits, linear.activationBits]).to.deep.equal([8, 8]);
          expect(linear.sqnr!.output).to.be.at.least(minSqnr);
        } else {
          expect(linear.sqnr).to.deep.equal(plain.report.linears[i]!.sqnr);
          expect(linear.parts).to.deep.equal(plain.report.linears[i]!.parts);
        }
      }
      made.model.dispose();
      const met = await quantize(model, stats, { target: { minSqnr: outputs[0]! } });
      expect(met.recipe!.rules).to.deep.equal([]);
      met.model.dispose();
    });
    plain.model.dispose();
  });

  it('reaches a target by ranks too, in the bytes that were expected', async () => {
    const stats = await calibrate(model, batches);
    const options = { lowRank: 2, rules: [{ role: 'mlp.out', lowRank: 2 }] } as const;
    const plain = await quantize(model, stats, { ...options, ranks: [4, 6, 9] });
    const least = Math.min(...outputsOf(plain.report));
    const { atRanks, bytes } = plain.report.linears.find(({ atRanks }) => atRanks !== undefined)!;
    expect(atRanks!.map(({ lowRank }) => lowRank)).to.deep.equal([4, 6, 9]);
    expect(atRanks![0]!.bytes).to.be.above(bytes.after);
    expect(parseReport(reportJson(plain.report))).to.deep.equal(plain.report);
    await expectNoLeakAsync(async () => {
      const target = { minSqnr: least + 0.3 };
      const made = await quantize(model, stats, { ...options, ranks: [4, 6, 9], target });
      const { rules, expected } = made.recipe!;
      expect(rules.some(({ lowRank }) => lowRank !== undefined)).to.equal(true);
      for (const { match, weights, lowRank } of rules) {
        if (weights !== undefined) continue;
        const linear = made.report.linears.find(({ name }) => name === match)!;
        expect(linear.parts!.lowRank).to.equal(lowRank);
        expect(linear.atRanks, 'measured once').to.equal(undefined);
      }
      expect(Math.min(...outputsOf(made.report))).to.be.at.least(target.minSqnr);
      const ranksAlone = rules.every(({ weights }) => weights === undefined);
      if (ranksAlone) expect(made.report.totals.modelBytes.after).to.equal(expected.modelBytes);
      expect(made.report.notes ?? []).to.deep.equal([]);
      made.model.dispose();
    });
    plain.model.dispose();
  });

  it('keeps within the bytes of a target: 8 bits bring no more directions along', async () => {
    const wide = await tinyDit({ depth: 1, hiddenSize: 64 });
    const stats = await calibrate(wide, batches);
    const target = { maxBytes: 105_000 };
    const { model: small, report, recipe } = await quantize(wide, stats, { target });
    expect(recipe!.rules.some(({ weights }) => weights?.bits === 8)).to.equal(true);
    const { after } = report.totals.modelBytes;
    expect(after).to.be.within(0.95 * target.maxBytes, target.maxBytes);
    expect(recipe!.expected.modelBytes).to.be.closeTo(after, 0.01 * after);
    small.dispose();
    wide.dispose();
  });

  it('says in its own name what cannot be reached or is wrong, and leaves nothing', async () => {
    const stats = await calibrate(model, batches);
    const cases: readonly [object, RegExp][] = [
      [{ target: { minSqnr: 200 } }, /^quantize: target.minSqnr must be at most .* dB, got 200/],
      [{ target: { maxBytes: 10 } }, /^quantize: target.maxBytes must be at least /],
      [{ target: {} }, /^quantize: target must be exactly one of minSqnr, meanSqnr, maxBytes/],
      [
        { preset: 'W3A3' },
        /^quantize: preset must be one of W4A8, W4A8-small, W4A4, .*, got "W3A3"/,
      ],
      [
        { preset: { weights: { bits: 2 }, rules: [] } },
        /^quantize: preset must be made of rules, expected, got "weights". Options go beside/,
      ],
      [
        { preset: { options: {}, preset: 'W8A8' } },
        /^quantize: preset must be made of description, options, got "preset"/,
      ],
      [
        { preset: { rules: 'all' } },
        /^quantize: preset.rules must be an array of rules, got "all"/,
      ],
      [{ preset: { rules: [null] } }, /^quantize: preset.rules\[0\] must be an object, got null/],
      [
        { preset: { options: { rules: [{ weights: { bits: '8' } }] } } },
        /^quantize: preset.options.rules\[0\].weights.bits must be .*, got "8"/,
      ],
      [{ rules: [{ role: 'nose' }] }, /^quantize: rules\[0\].role must be one of/],
      [{ stats }, /^quantize: options must be made of .*, got "stats"/],
      [{ weights: { bits: 99 } }, /^quantize: weights.bits must be /],
      [{ bits: 4 }, /^quantize: options must be made of/],
    ];
    for (const [options, message] of cases) {
      await expectNoLeakAsync(async () => {
        const error = await rejection(quantize(model, stats, options));
        expect(error).to.be.instanceOf(InvalidArgumentError);
        expect(error.message).to.match(message);
      });
    }
    const wrong = await rejection(quantize(model, batches, { calibrate: { means: 0 } }));
    expect(wrong.message).to.match(/^quantize: calibrate.means must be an integer/);
  });

  it('tells of both stages, and stops in either', async () => {
    const told: Progress[] = [];
    const made = await quantize(model, batches, { onProgress: (at) => told.push(at) });
    made.model.dispose();
    expect([...new Set(told.map(({ stage }) => stage))]).to.deep.equal(['calibrate', 'quantize']);
    const quantized = made.report.linears.filter(({ treatment }) => treatment !== 'untouched');
    expect(told.at(-1)).to.include({ done: quantized.length });
    for (const at of ['calibrate', 'quantize']) {
      await expectNoLeakAsync(async () => {
        const abort = new AbortController();
        const onProgress = ({ stage }: Progress) => stage === at && abort.abort();
        const running = quantize(model, batches, { signal: abort.signal, onProgress });
        expect(await rejection(running)).to.be.instanceOf(AbortedError);
      });
    }
  });
});

function outputsOf({ linears }: QuantizationReport): number[] {
  return linears.flatMap(({ sqnr, treatment }) =>
    treatment === 'transformed' ? [sqnr!.output] : [],
  );
}
