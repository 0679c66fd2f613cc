import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type CalibrationStats,
  calibrate,
  HadamardSizeError,
  HadaNormError,
  type LinearReport,
  parseReport,
  type RewriteOptions,
  reportJson,
  rewriteGraph,
} from '../../../src/index.js';
import { reportHtml, reportTable } from '../../../src/report.js';
import { EXACT, loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { varied } from '../../harness/graphs/zoo.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import '../../harness/backends/backends.js';

/** An MLP whose hidden width, 2 · 23, is no size of a Hadamard matrix. */
const odd = () => varied({ block: { mlp: { form: 'plain', activation: 'silu', hidden: 46 } } });

describe('A width without a Hadamard matrix', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('is an error that names a blockSize', async () => {
    const model = await loaded(odd().artifacts);
    const before = tf.memory().numTensors;
    expect(() => rewriteGraph(model, { ...EXACT, method: 'hadamard' }))
      .to.throw(HadamardSizeError)
      .with.property('message')
      .that.matches(/size 46 .*blockSize 2\b/);
    expect(tf.memory().numTensors, 'tensors left behind').to.equal(before);
    model.dispose();
  });

  it('is rewritten in blocks where a rule says so', async () => {
    await expectNoLeakAsync(async () => {
      const graph = odd();
      const model = await loaded(graph.artifacts);
      const rules = [{ role: 'mlp.out', blockSize: 2 }] as const;
      const { model: same } = rewriteGraph(model, { ...EXACT, method: 'hadamard', rules });
      const [expected, values] = [
        await outputsOf(model, graph.inputs(2, 6, 1)),
        await outputsOf(same, graph.inputs(2, 6, 1)),
      ];
      expect(relativeError(expected, values)).to.be.below(1e-5);
      model.dispose();
      same.dispose();
    });
  });
});

const WHY = 'no Hadamard matrix of size 46';
const NOTHING_LEFT = /^codes by packed codes on cpu$/;

/** A reason that says how it runs, and one of these. */
function ending(...texts: readonly string[]): RegExp {
  return new RegExp(`(on cpu|mode is 'simulate': .*); (${texts.join('|')})$`);
}

describe('A width without a Hadamard matrix, no rotation asked for by name', () => {
  const graph = odd();
  let model: tf.GraphModel;
  let stats: CalibrationStats;

  before(async () => {
    await tf.setBackend('cpu');
    model = await loaded(graph.artifacts);
    const batch = graph.inputs(2, 6, 1);
    stats = await calibrate(model, [batch]);
    tf.dispose(batch);
  });
  after(() => model.dispose());

  const bits: RewriteOptions = { weights: { bits: 8 }, activations: { bits: 8 } };
  const rewrite = (options: RewriteOptions) => rewriteGraph(model, { ...bits, stats, ...options });
  const oddOnes = (linears: readonly LinearReport[]) =>
    linears.filter(({ shape }) => shape[0] === 46);

  const OPEN = `not rotated: ${WHY}`;
  const OPEN_COMPARED = `not rotated, hadamard not measured: ${WHY}`;
  const OTHER = `hadamard not measured: ${WHY}`;
  const SAID = 'not rotated, as the options say';
  // with what their reasons end in, compared and not
  const works: readonly (readonly [string, RewriteOptions, RegExp, RegExp])[] = [
    ['hadanorm', {}, ending(OPEN_COMPARED), ending(OPEN)],
    [
      'hadanorm at 4 bits, which else always rotates',
      { activations: { bits: 4 } },
      ending(OPEN_COMPARED),
      ending(OPEN),
    ],
    ['hadanorm, rotate false', { rotate: false }, ending(`${SAID}; ${OTHER}`), ending(SAID)],
    [
      'rotate false by a rule for all',
      { rules: [{ rotate: false }] },
      ending(`${SAID}; ${OTHER}`),
      ending(SAID),
    ],
    ["hadamard, rotate 'auto'", { method: 'hadamard', rotate: 'auto' }, ending(OPEN), ending(OPEN)],
    ['centered', { method: 'centered' }, ending(OTHER), NOTHING_LEFT],
    ['smoothquant', { method: 'smoothquant' }, ending(OTHER), NOTHING_LEFT],
    ['rtn', { method: 'rtn' }, ending(OTHER), NOTHING_LEFT],
    ['auto', { method: 'auto' }, ending(OTHER, OPEN_COMPARED), ending(OTHER, OPEN_COMPARED)],
    [
      'auto in mode simulate',
      { method: 'auto', mode: 'simulate' },
      ending(OTHER, OPEN_COMPARED),
      ending(OTHER, OPEN_COMPARED),
    ],
  ];
  for (const [title, options, compared, alone] of works) {
    for (const compare of [true, false]) {
      it(`is quantized: ${title}, ${compare ? '' : 'not '}compared`, async () => {
        await expectNoLeakAsync(async () => {
          const { model: small, report } = rewrite({ ...options, compare });
          const values = await outputsOf(small, graph.inputs(2, 6, 1));
          small.dispose();
          const expected = await outputsOf(model, graph.inputs(2, 6, 1));
          const max = options.activations?.bits === 4 ? 0.15 : 0.03;
          expect(relativeError(expected, values)).to.be.below(max);
          const own = oddOnes(report.linears);
          expect(own).to.have.length(2);
          for (const linear of own) {
            expect(linear.reason).to.match(compare ? compared : alone);
            expect(linear.compared).to.not.have.property('hadamard');
          }
          expect(parseReport(reportJson(report))).to.deep.equal(report);
          expect(reportTable(report)).to.include('mlp.out');
        });
      });
    }
  }

  it('needs no statistics for rtn', () => {
    const { model: small, report } = rewriteGraph(model, { ...bits, method: 'rtn' });
    small.dispose();
    for (const { reason } of oddOnes(report.linears)) expect(reason).to.match(NOTHING_LEFT);
  });

  it('leaves a method that cannot be made out of the comparison, there alone', async () => {
    const { model: small, report } = rewrite({ method: 'rtn' });
    small.dispose();
    const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
    for (const linear of transformed) {
      const isOdd = linear.shape[0] === 46;
      expect(linear.compared).to.have.keys(
        isOdd ? ['rtn', 'smoothquant'] : ['rtn', 'smoothquant', 'hadamard'],
      );
      expect(linear.reason.endsWith(`; hadamard not measured: ${WHY}`)).to.equal(isOdd);
    }
    const page = await reportHtml(report);
    expect(page)
      .to.include(WHY)
      .and.not.match(/undefined|NaN/);
  });

  const named: readonly (readonly [string, RewriteOptions])[] = [
    ['method hadamard', { method: 'hadamard' }],
    ['rotate true', { rotate: true }],
    ["rotate true with 'auto'", { method: 'auto', rotate: true }],
    ['a rule with method hadamard', { rules: [{ role: 'mlp', method: 'hadamard' }] }],
    ['a rule with rotate true', { method: 'rtn', rules: [{ role: 'mlp', rotate: true }] }],
    ['a blockSize that has none', { rules: [{ role: 'mlp.out', blockSize: 46 }] }],
    ['a blockSize that does not divide it', { blockSize: 8 }],
    ["that with 'auto'", { method: 'auto', blockSize: 8 }],
  ];
  for (const [title, options] of named) {
    it(`is an error where it is asked for: ${title}`, () => {
      expect(() => rewrite({ ...options, compare: false })).to.throw(
        HadaNormError,
        /size 46 |blockSize must be a divisor of 46/,
      );
    });
  }

  it('a blockSize for what does not rotate costs the comparison alone', () => {
    const { model: small, report } = rewrite({ method: 'rtn', blockSize: 8 });
    small.dispose();
    const reasons = oddOnes(report.linears).map(({ reason }) => reason);
    for (const reason of reasons) {
      expect(reason).to.include('hadamard not measured: blockSize 8 does not divide 46');
    }
  });
});
