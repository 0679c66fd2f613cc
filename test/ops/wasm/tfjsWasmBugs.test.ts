import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { attr } from '../../../src/graph/attrs.js';
import { fuseGraph } from '../../../src/index.js';
import '../../harness/backends/backends.js';
import { loaded } from '../../harness/graphs/run.js';
import { type SmallGraph, smallGraph } from '../../harness/graphs/small.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/**
 * Rows as tfjs's wasm backend adds [1, 10] to zeros: by the position in the matrix, not by the
 * column.
 */
const WRONG = [1, 10, 10, 10, 10, 10];
const RIGHT = [1, 10, 1, 10, 1, 10];

/** The parts of tfjs's backend that call a kernel, and its name of a type. */
interface TfjsWasm {
  readonly wasm: {
    cwrap(name: string, result: null, types: string[]): (...args: unknown[]) => void;
  };
  readonly dataIdMap: { get(dataId: object): { id: number } };
}
const FLOAT32 = 0;

const FUSED = (transposeA: boolean, transposeB: boolean) => ({
  transpose_a: attr.bool(transposeA),
  transpose_b: attr.bool(transposeB),
  fused_ops: attr.strings(['BiasAdd']),
  num_args: attr.int(1),
  epsilon: attr.float(0),
});

// docs/tfjs-wasm-bugs.md says what these are; where one fails, tfjs has mended it: update that page
// and the passes
describe('tfjs 4.22 on wasm', () => {
  before(async () => {
    await tf.setBackend('wasm');
  });

  const biases: readonly [string, number[], number[], boolean, boolean, number[]][] = [
    ['the second operand transposed', [3, 4], [2, 4], false, true, WRONG],
    ['the first operand transposed', [4, 3], [4, 2], true, false, WRONG],
    ['two matrices', [2, 3, 4], [2, 4, 2], false, false, [...WRONG, ...WRONG]],
    ['two plain matrices: right', [3, 4], [4, 2], false, false, RIGHT],
  ];
  for (const [what, a, b, transposeA, transposeB, expected] of biases) {
    it(`adds a bias to a fused product, ${what}`, () => {
      tf.tidy(() => {
        const bias = tf.tensor1d([1, 10]);
        const operands = {
          a: tf.zeros<tf.Rank.R2>(a as never),
          b: tf.zeros<tf.Rank.R2>(b as never),
        };
        const y = tf.fused.matMul({ ...operands, transposeA, transposeB, bias });
        expect([...y.dataSync()]).to.deep.equal(expected);
      });
    });
  }

  it('refuses a fused bias that is no vector, and one that was none', () => {
    tf.tidy(() => {
      const [a, b] = [tf.zeros<tf.Rank.R2>([3, 4]), tf.zeros<tf.Rank.R2>([4, 2])];
      const row = tf.tensor2d([[1, 10]]);
      for (const bias of [row, tf.reshape(row, [2])]) {
        expect(() => tf.fused.matMul({ a, b, bias })).to.throw('only supports rank-1 bias');
      }
    });
  });

  it('has no Einsum', () => {
    tf.tidy(() => {
      const x = tf.ones([2, 2]);
      expect(() => tf.einsum('ab,bc->ac', x, x)).to.throw("Kernel 'Einsum' not registered");
    });
  });

  it('repeats the wrong matrices where heads share one', () => {
    tf.tidy(() => {
      const shared = tf.tensor([1, 10], [2, 1, 1, 1]);
      const y = tf.matMul(tf.ones([2, 3, 1, 1]), shared);
      expect([...y.dataSync()], 'of the first sample: 1, 1, 1').to.deep.equal([
        1, 10, 1, 10, 1, 10,
      ]);
    });
  });

  it('looks up by sample where other samples have their indices', () => {
    tf.tidy(() => {
      const x = tf.tensor([0, 1, 2, 3, 4, 5]); // [2, 1, 3, 1]
      const at = tf.tensor([1, 0, 2, 1, 0, 2, 1, 0], [2, 4], 'int32');
      const y = tf.zeros([2, 4]);
      bare('Gather', x, FLOAT32, [3, 3, 1], 3, at, 2, [4, 4, 1], y);
      // the second sample by 2, 1, 0, 2 where 0, 2, 1, 0 are its own
      expect([...y.dataSync()]).to.deep.equal([1, 0, 2, 1, 5, 4, 3, 5]);
    });
  });

  it('does not look at its indices', () => {
    tf.tidy(() => {
      const [x, y] = [tf.tensor([1, 2, 3, 4]), tf.zeros([1])];
      const beyond = tf.tensor([4], [1], 'int32');
      expect(() => bare('GatherNd', x, FLOAT32, beyond, 1, 1, 1, [1], y)).not.to.throw();
    });
  });

  it('multiplies batched and transposed matrices several times slower than plain ones', () => {
    const [a, b] = [tf.ones<tf.Rank.R2>([192, 192]), tf.ones<tf.Rank.R2>([192, 192])];
    const pair = tf.ones([2, 192, 96]);
    const plain = timeMs(() => tf.matMul(a, b));
    const transposed = timeMs(() => tf.matMul(a, b, false, true));
    const batched = timeMs(() => tf.matMul(pair, pair, false, true));
    tf.dispose([a, b, pair]);
    // thirty times where nothing else runs
    expect(transposed / plain).to.be.above(4);
    expect(batched / plain).to.be.above(4);
  });
});

/** What meets these bugs as it is written. */
const GRAPHS: readonly (SmallGraph & { title: string; expected: readonly number[] })[] = [
  {
    title: 'a bias behind transposed weights',
    shapes: [[3, 4]],
    build: (k, [x]) => {
      const w = k.constant([2, 4], new Float32Array(8));
      return k.node('_FusedMatMul', [x!, w, row(k)], FUSED(false, true));
    },
    expected: RIGHT,
  },
  {
    title: 'a bias behind a transposed tensor',
    shapes: [[4, 3]],
    build: (k, [x]) => {
      const w = k.constant([4, 2], new Float32Array(8));
      return k.node('_FusedMatMul', [x!, w, row(k)], FUSED(true, false));
    },
    expected: RIGHT,
  },
  {
    title: 'a bias behind two matrices',
    shapes: [[2, 3, 4]],
    build: (k, [x]) => {
      const zeros = k.mul(
        k.transpose(k.node('Slice', [x!, k.ints([0, 0, 0]), k.ints([2, 2, 4])]), [0, 2, 1]),
        k.scalar(0),
      );
      return k.node('_FusedMatMul', [x!, zeros, row(k)], FUSED(false, false));
    },
    expected: [...RIGHT, ...RIGHT],
  },
  {
    title: 'a bias that is a row, and one that the run makes a vector',
    shapes: [[1, 2]],
    build: (k, [x]) => {
      const eye = k.constant([2, 2], Float32Array.of(1, 0, 0, 1));
      const zeros = k.node('ZerosLike', [x!]);
      const constant = k.constant([1, 2], Float32Array.of(1, 10));
      const made = k.reshape(k.add(zeros, constant), [2]);
      const y = k.node('_FusedMatMul', [zeros, eye, constant], FUSED(false, false));
      return k.node('_FusedMatMul', [y, eye, made], FUSED(false, false));
    },
    expected: [2, 20],
  },
  {
    title: 'a bias of a convolution with leading ones',
    shapes: [[1, 1, 2, 1]],
    build: (k, [x]) => {
      const kernel = k.constant([1, 1, 1, 2], new Float32Array(2));
      const bias = k.constant([1, 1, 1, 2], Float32Array.of(1, 10));
      return k.node('_FusedConv2D', [x!, kernel, bias], {
        ...FUSED(false, false),
        strides: attr.ints([1, 1, 1, 1]),
        dilations: attr.ints([1, 1, 1, 1]),
        padding: attr.string('VALID'),
        data_format: attr.string('NHWC'),
      });
    },
    expected: [1, 10, 1, 10],
  },
  {
    title: 'an Einsum',
    shapes: [
      [2, 3],
      [4, 3],
    ],
    build: (k, [x, y]) => {
      const ones = [x!, y!].map((ref) => k.node('OnesLike', [ref]));
      return k.einsum('ab,cb->ca', ones[0]!, ones[1]!);
    },
    expected: new Array(8).fill(3),
  },
  {
    title: 'keys and values that all heads share',
    shapes: [[2, 3, 1, 1]],
    build: (k, [x]) => {
      const shared = k.constant([2, 1, 1, 1], Float32Array.of(1, 10));
      const weights = k.node('Softmax', [k.batchMatMul(x!, k.node('Neg', [shared]), true)]);
      return k.batchMatMul(weights, k.node('Abs', [shared]));
    },
    expected: [1, 1, 1, 10, 10, 10],
  },
  {
    title: 'a lookup by sample',
    shapes: [[2, 4]],
    build: (k, [x]) => {
      const ids = k.constant([2, 3], Int32Array.of(1, 0, 2, 0, 2, 1));
      const columns = k.constant([4], Float32Array.of(0, 1, 2, 3));
      const table = k.add(k.node('ZerosLike', [x!]), columns);
      const along = k.constant([], Int32Array.of(1));
      return k.node('GatherV2', [table, ids, along], { batch_dims: attr.int(1) });
    },
    expected: [1, 0, 2, 0, 2, 1],
  },
];

describe('A fused model on wasm', () => {
  before(async () => {
    await tf.setBackend('wasm');
  });

  for (const { title, expected, ...graph } of GRAPHS) {
    it(`is right where tfjs is not: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const { artifacts, inputs } = smallGraph(graph);
        const model = await loaded(artifacts);
        const fused = fuseGraph(model);
        model.dispose();
        const given = inputs(1);
        const y = fused.execute(given) as tf.Tensor;
        expect([...y.dataSync()]).to.deep.equal(expected);
        tf.dispose([given, y]);
        fused.dispose();
      });
    });
  }
});

/** One of tfjs's kernels itself: what stands before it in JavaScript is corrected here. */
function bare(kernel: string, ...given: readonly (tf.Tensor | number | number[])[]): void {
  const { wasm, dataIdMap } = tf.backend() as unknown as TfjsWasm;
  const types = given.map((value) => (Array.isArray(value) ? 'array' : 'number'));
  const args = given.map((value) => {
    if (Array.isArray(value)) return new Uint8Array(Int32Array.from(value).buffer);
    return typeof value === 'number' ? value : dataIdMap.get(value.dataId).id;
  });
  wasm.cwrap(kernel, null, types)(...args);
}

function row(k: Parameters<SmallGraph['build']>[0]) {
  return k.constant([2], Float32Array.of(1, 10));
}

/** The best of a few runs, after some to warm up. */
function timeMs(run: () => tf.Tensor): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 8; i++) {
    const start = performance.now();
    run().dispose();
    if (i > 2) best = Math.min(best, performance.now() - start);
  }
  return best;
}
