import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { attr, numberAttr, stringAttr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import { fuseGraph } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { nodesOf, opsOf } from '../../harness/graphs/fused.js';
import type { Kit } from '../../harness/graphs/kit.js';
import { loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { type SmallGraph, smallGraph } from '../../harness/graphs/small.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const [H, T, S, C] = [3, 5, 4, 6];
const HEADS = [-1, H, T, C];
const KEYS = [-1, H, S, C];

interface Found extends SmallGraph {
  readonly title: string;
  /** q, k, v and output. */
  readonly layouts: readonly [string, string, string, string];
  /** Default 1. */
  readonly scale?: number;
}

/** softmax(q kᵀ) v */
const plain = (k: Kit, q: Ref, key: Ref, v: Ref) =>
  k.batchMatMul(k.node('Softmax', [k.batchMatMul(q, key, true)]), v);

const turn = (k: Kit, x: Ref) => k.transpose(x, [0, 2, 1, 3]);

const pick = (k: Kit, x: Ref, i: number) =>
  k.node('StridedSlice', [x, k.ints([i]), k.ints([i + 1]), k.ints([1])], {
    shrink_axis_mask: attr.int(1),
  });

const BHTC = ['bhtc', 'bhtc', 'bhtc', 'bhtc'] as const;
const THREE = ['bt0hc', 'bt1hc', 'bt2hc', 'bthc'] as const;

const FOUND: readonly Found[] = [
  {
    title: 'as it is defined',
    shapes: [HEADS, KEYS, KEYS],
    build: (k, [q, key, v]) => plain(k, q!, key!, v!),
    layouts: BHTC,
  },
  {
    title: 'qkv reshaped, permuted and unpacked',
    shapes: [[-1, T, 3 * H * C]],
    build: (k, [x]) => {
      const parts = k.transpose(k.reshape(x!, [-1, T, 3, H, C]), [2, 0, 3, 1, 4]);
      const q = k.node('Unpack', [parts], { num: attr.int(3), axis: attr.int(0) });
      const y = turn(k, plain(k, q, `${q}:1`, `${q}:2`));
      return k.reshape(y, [-1, T, H * C]);
    },
    layouts: THREE,
  },
  {
    title: 'qkv reshaped, permuted and indexed',
    shapes: [[-1, T, 3 * H * C]],
    build: (k, [x]) => {
      const parts = k.transpose(k.reshape(x!, [-1, T, 3, H, C]), [2, 0, 3, 1, 4]);
      return turn(k, plain(k, pick(k, parts, 0), pick(k, parts, 1), pick(k, parts, -1)));
    },
    layouts: THREE,
  },
  {
    title: 'q, k and v of each head side by side',
    shapes: [[-1, T, H, 3 * C]],
    build: (k, [x]) => {
      const [q, key, v] = k.split(x!, 3, 3).map((part) => turn(k, part));
      return turn(k, plain(k, q!, key!, v!));
    },
    layouts: ['bth0c', 'bth1c', 'bth2c', 'bthc'],
  },
  {
    title: 'qkv within a wider tensor',
    shapes: [[-1, T, 5 * H * C]],
    build: (k, [x]) => {
      const [, qkv] = k.splitSizes(x!, 2, [H * C, 4 * H * C]);
      const [q, key, v] = k
        .split(k.splitSizes(qkv!, -1, [3 * H * C, H * C])[0]!, 2, 3)
        .map((part) => turn(k, k.reshape(part, [-1, T, H, C])));
      return turn(k, plain(k, q!, key!, v!));
    },
    layouts: ['bt1hc', 'bt2hc', 'bt3hc', 'bthc'],
  },
  {
    title: 'keys transposed before the product',
    shapes: [
      [-1, T, H, C],
      [-1, S, H, C],
      [-1, S, H, C],
    ],
    build: (k, [q, key, v]) => {
      const scores = k.batchMatMul(turn(k, q!), k.transpose(key!, [0, 2, 3, 1]));
      return turn(k, k.batchMatMul(k.node('Softmax', [scores]), turn(k, v!)));
    },
    layouts: ['bthc', 'bthc', 'bthc', 'bthc'],
  },
  {
    title: 'as Keras writes it in Einsum',
    shapes: [
      [-1, T, H, C],
      [-1, S, H, C],
      [-1, S, H, C],
    ],
    build: (k, [q, key, v]) => {
      const scaled = k.mul(q!, k.scalar(0.25));
      const weights = k.node('Softmax', [k.einsum('aecd,abcd->acbe', key!, scaled)]);
      return k.einsum('acbe,aecd->abcd', weights, v!);
    },
    layouts: ['bthc', 'bthc', 'bthc', 'bthc'],
    scale: 0.25,
  },
  {
    title: 'values first, in another order of axes',
    shapes: [
      [H, T, -1, C],
      [H, S, -1, C],
      [H, -1, S, C],
    ],
    build: (k, [q, key, v]) => {
      const weights = k.node('Softmax', [k.einsum('htbc,hsbc->bhts', q!, key!)]);
      return k.einsum('hbsc,bhts->tbhc', v!, weights);
    },
    layouts: ['htbc', 'htbc', 'hbtc', 'tbhc'],
  },
  {
    title: 'one head of keys and values for all',
    // of one sample: tfjs repeats the wrong ones where there are several
    shapes: [
      [1, H, T, C],
      [1, 1, S, C],
      [1, 1, S, C],
    ],
    build: (k, [q, key, v]) => plain(k, q!, key!, v!),
    layouts: BHTC,
  },
  {
    title: 'keys and values without samples, values of other channels',
    shapes: [HEADS, [H, S, C], [H, S, 2]],
    build: (k, [q, key, v]) => plain(k, q!, key!, v!),
    layouts: ['bhtc', 'htc', 'htc', 'bhtc'],
  },
  {
    title: 'matrices',
    shapes: [
      [T, C],
      [S, C],
      [S, 2],
    ],
    build: (k, [q, key, v]) => k.matMul(k.node('Softmax', [k.matMul(q!, key!, true)]), v!),
    layouts: ['tc', 'tc', 'tc', 'tc'],
  },
  {
    title: 'frames of a video beside the samples',
    shapes: [
      [-1, 2, H, T, C],
      [-1, 2, H, S, C],
      [-1, 2, H, S, C],
    ],
    build: (k, [q, key, v]) => plain(k, q!, key!, v!),
    layouts: BHTC,
  },
  {
    title: 'heads and samples on one axis, of which nothing tells them apart',
    shapes: [
      [-1, T, C],
      [-1, S, C],
      [-1, S, C],
    ],
    build: (k, [q, key, v]) => plain(k, q!, key!, v!),
    layouts: ['btc', 'btc', 'btc', 'btc'],
  },
  {
    title: 'heads and samples on one axis, where queries and keys tell',
    shapes: [HEADS],
    build: (k, [x]) => {
      const keys = k.reshape(k.node('Tanh', [x!]), [-1, T, C]);
      const mixed = plain(k, k.reshape(x!, [-1, T, C]), keys, k.node('Neg', [keys]));
      return turn(k, k.reshape(mixed, [-1, H, T, C]));
    },
    layouts: ['bhtc', 'bhtc', 'bhtc', 'bthc'],
  },
  {
    title: 'shapes put together from lengths that only the run knows',
    shapes: [[-1, -1, H * C]],
    build: (k, [x]) => {
      const shape = k.node('Cast', [k.node('Shape', [x!])], { DstT: attr.type('int32') });
      const length = k.node('Unpack', [shape], { num: attr.int(3), axis: attr.int(0) });
      const packed = [length, `${length}:1`, k.int(H), k.int(C)];
      const shapes = [
        k.node('Pack', packed, { N: attr.int(4), axis: attr.int(0) }),
        k.concat([k.node('GatherV2', [shape, k.ints([0, 1]), k.int(0)]), k.ints([H, C])], 0),
      ];
      const [q, key] = shapes.map((each) => turn(k, k.node('Reshape', [x!, each])));
      const v = turn(k, k.reshapeLike(x!, x!, 1, [H, C]));
      return turn(k, plain(k, q!, key!, v));
    },
    layouts: ['bthc', 'bthc', 'bthc', 'bthc'],
  },
  {
    title: 'factors on queries, keys and scores',
    shapes: [HEADS, KEYS, KEYS],
    build: (k, [q, key, v]) => {
      const half = k.constant([1, 1], Float32Array.of(0.5));
      const [queries, keys] = [k.mul(q!, k.scalar(3)), k.mul(half, key!)];
      const scores = k.node('RealDiv', [k.batchMatMul(queries, keys, true), k.scalar(4)]);
      return k.batchMatMul(k.node('Softmax', [k.mul(k.scalar(2), scores)]), v!);
    },
    layouts: BHTC,
    scale: 0.75,
  },
  {
    title: 'a mask for each sample, in front of the scores',
    shapes: [HEADS, KEYS, KEYS, [-1, 1, 1, S]],
    build: (k, [q, key, v, mask]) => {
      const scores = k.mul(k.batchMatMul(q!, key!, true), k.scalar(0.5));
      return k.batchMatMul(k.node('Softmax', [k.add(mask!, scores)]), v!);
    },
    layouts: BHTC,
    scale: 0.5,
  },
];

describeOnBackends('Fused attention', (backend) => {
  for (const { title, layouts, scale = 1, ...graph } of FOUND) {
    it(`is found: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const { artifacts, inputs } = smallGraph(graph);
        await tf.setBackend('cpu');
        const model = await loaded(artifacts);
        const exact = await outputsOf(model, inputs(1));
        await tf.setBackend(backend);
        const fused = fuseGraph(model);
        model.dispose();
        const values = await outputsOf(fused, inputs(1));
        const found = nodesOf(fused).filter(({ op }) => op === 'ScaledDotProductAttention');
        const ops = opsOf(fused);
        fused.dispose();
        expect(relativeError(exact, values)).to.be.below(1e-5);
        const names = ['qLayout', 'kLayout', 'vLayout', 'outputLayout'];
        const attrs = found.map((node) => names.map((name) => stringAttr(node.attrs, name)));
        expect(attrs).to.deep.equal([layouts]);
        expect(numberAttr(found[0]!.attrs, 'scale', 0)).to.be.closeTo(scale, 1e-6);
        expect(ops).to.not.include.any.keys(
          'Softmax',
          'Transpose',
          'Split',
          'SplitV',
          'BatchMatMulV2',
        );
      });
    });
  }
});
