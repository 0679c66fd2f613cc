import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { crc32 } from '../../../ops/numerics/packing.js';
import { type AttrValue, attr } from '../../../src/graph/attrs.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import { HadaNormError, quantizedMatMul } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { normal } from '../../harness/numbers/random.js';
import {
  BITS,
  BYTES,
  D,
  GROUP,
  N,
  packed,
  SHAPES,
  TOKENS,
  tensor,
  values,
  weights,
} from '../../harness/ops/quantizedMatMul.js';
import { expectNoLeak } from '../../harness/run/memory.js';

describeOnBackends('QuantizedMatMul in a graph', () => {
  for (const bias of [false, true]) {
    for (const residual of [false, true]) {
      for (const basis of [false, true]) {
        for (const bits of [BITS, 32]) {
          const flags = { hasBias: bias, hasRest: residual, hasBasis: basis };
          const named = Object.entries(flags).filter(([, flag]) => flag);
          const what = named.length === 0 ? 'x alone' : named.map(([name]) => name).join(', ');
          it(`${bits} bits, ${what}, with control inputs: as it is eagerly`, () => {
            expectNoLeak(() => {
              const { model } = graphModel(bits, flags);
              const direct = tf.tidy(() => {
                const options = {
                  ...(bias ? { bias: tensor('bias') } : {}),
                  ...(residual ? { residual: tensor('residual') } : {}),
                  ...(basis
                    ? { coefficients: tensor('coefficients'), basis: tensor('basis') }
                    : {}),
                };
                return quantizedMatMul(tensor('x'), weights(bits), options).arraySync();
              });
              const x = tensor('x');
              const y = model.predict(x) as tf.Tensor;
              expect(y.arraySync()).to.deep.equal(direct);
              tf.dispose([x, y]);
              model.dispose();
            });
          });
        }
      }
    }
  }

  it('flags that are there and false are as if they were not there', () => {
    const { model } = graphModel(BITS, { hasBias: false, hasRest: false, hasBasis: false }, {}, []);
    tf.tidy(() => {
      const direct = quantizedMatMul(tensor('x'), packed());
      const y = model.predict(tensor('x')) as tf.Tensor;
      expect(y.arraySync()).to.deep.equal(direct.arraySync());
    });
    model.dispose();
  });

  const broken: [string, Record<string, AttrValue | null>, string][] = [
    ['a newer version', { version: attr.int(3) }, 'packed in version 3, this is version 2. Update'],
    ['an older version', { version: attr.int(1) }, 'version 2. Quantize the original model again.'],
    [
      'another checksum',
      { checksum: attr.int(1) },
      'was saved. The file was altered: get it again.',
    ],
    [
      'fewer codes, and no checksum',
      { checksum: null, d: attr.int(D + 3) },
      'codes must be 80 bytes (dtype bool) for [13,6] at 5 bits, got 60 of bool. The file may be',
    ],
    [
      'groups of 2^32 + 1',
      { groupSize: attr.int(2 ** 32 + 1) },
      'groupSize must be an integer from 1 to 2147483647, got 4294967297.',
    ],
    ['no bits', { bits: null }, 'bits must be an integer from 2 to 8, got NaN.'],
    ['no d', { d: null }, 'd must be an integer ≥ 1, got NaN.'],
    [
      'more flags than inputs',
      { hasBasis: attr.bool(true) },
      'inputs of node "y" must be 5 tensors',
    ],
    ['bits as text', { bits: attr.string('five') }, 'attribute bits must be a number, got "five".'],
  ];
  for (const [what, attrs, message] of broken) {
    it(`${what} gets a typed error`, () => {
      expectNoLeak(() => {
        const { model } = graphModel(BITS, {}, attrs, []);
        tf.tidy(() => {
          expect(() => model.predict(tensor('x'))).to.throw(HadaNormError, message);
        });
        model.dispose();
      });
    });
  }

  it('one byte that changed in the file is found at the first run', () => {
    const { artifacts, model } = graphModel(BITS, {}, {}, []);
    model.dispose();
    const data = new Uint8Array((artifacts.weightData as ArrayBuffer).slice(0));
    data[17]! ^= 4;
    const altered = load({ ...artifacts, weightData: data.buffer });
    tf.tidy(() => {
      expect(() => altered.predict(tensor('x'))).to.throw(HadaNormError, 'have the checksum');
    });
    altered.dispose();
  });

  it('a version and a checksum that are not there are not asked for', () => {
    const { model } = graphModel(BITS, {}, { version: null, checksum: null }, []);
    tf.tidy(() => {
      const direct = quantizedMatMul(tensor('x'), packed());
      const y = model.predict(tensor('x')) as tf.Tensor;
      expect(y.arraySync()).to.deep.equal(direct.arraySync());
    });
    model.dispose();
  });
});

/**
 * A model of one QuantizedMatMul; its constants are those of `tensor`, its control inputs
 * `controls`.
 */
function graphModel(
  bits: number,
  flags: { hasBias?: boolean; hasRest?: boolean; hasBasis?: boolean },
  attrs: Readonly<Record<string, AttrValue | null>> = {},
  controls: readonly string[] = ['^bias', '^residual'],
): { artifacts: tf.io.ModelArtifacts; model: tf.GraphModel<tf.io.IOHandlerSync> } {
  const graph = new GraphBuilder();
  const constant = (name: keyof typeof SHAPES) => graph.constant(name, SHAPES[name], values(name));
  const codes =
    bits === 32
      ? graph.constant('codes', [D, N], normal(D * N, 9))
      : graph.constant('codes', [BYTES.length], new Int32Array(BYTES.length));
  const x = graph.placeholder('x', [-1, TOKENS, D]);
  const [scale, bias, residual, coefficients, basis] = [
    constant('scale'),
    constant('bias'),
    constant('residual'),
    constant('coefficients'),
    constant('basis'),
  ];
  const inputs = [
    x,
    codes,
    ...(bits === 32 ? [] : [scale]),
    ...(flags.hasBias ? [bias] : []),
    ...(flags.hasRest ? [residual] : []),
    ...(flags.hasBasis ? [coefficients, basis] : []),
    ...controls,
  ];
  const given: Record<string, AttrValue | null> = {
    bits: attr.int(bits),
    groupSize: attr.int(bits === 32 ? D : GROUP),
    d: attr.int(D),
    n: attr.int(N),
    version: attr.int(2),
    ...(bits === 32 ? {} : { checksum: attr.int(crc32(BYTES)) }),
    ...Object.fromEntries(Object.entries(flags).map(([name, b]) => [name, { b }])),
    ...attrs,
  };
  const kept = Object.entries(given).filter(([, value]) => value !== null);
  graph.node('QuantizedMatMul', 'y', inputs, Object.fromEntries(kept) as Record<string, AttrValue>);
  const built = graph.build(['y']);
  const artifacts = bits === 32 ? built : withBytes(built);
  return { artifacts, model: load(artifacts) };
}

/** The artifacts with `BYTES` as bool in place of the first weight, which is as many integers. */
function withBytes(artifacts: tf.io.ModelArtifacts): tf.io.ModelArtifacts {
  const [spec, ...more] = artifacts.weightSpecs!;
  const rest = (artifacts.weightData as ArrayBuffer).slice(4 * BYTES.length);
  return {
    ...artifacts,
    weightSpecs: [{ ...spec!, dtype: 'bool' }, ...more],
    weightData: tf.io.CompositeArrayBuffer.join([BYTES.buffer, rest]),
  };
}

function load(artifacts: tf.io.ModelArtifacts): tf.GraphModel<tf.io.IOHandlerSync> {
  const model = new tf.GraphModel(tf.io.fromMemorySync(artifacts));
  model.load();
  return model;
}
