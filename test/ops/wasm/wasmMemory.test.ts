import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { MOST_WASM_BYTES } from '../../../ops/common/sizes.js';
import { Arena, allocateForGood } from '../../../ops/wasm/instance/arena.js';
import type { EmscriptenModule, WasmBackend } from '../../../ops/wasm/instance/backend.js';
import { guardHeap } from '../../../ops/wasm/instance/heap.js';
import { MOST_TABLE_BYTES, Tables } from '../../../ops/wasm/instance/tables.js';
import { wasmModule } from '../../../ops/wasm/module.js';
import { type FakeQuantRuns, writeFakeQuantRuns } from '../../../ops/wasm/records.js';
import {
  hadamardTransform,
  hadaNormQuantize,
  InvalidArgumentError,
  modulatedLayerNorm,
  quantizedMatMul,
  scaledDotProductAttention,
  WasmMemoryError,
} from '../../../src/index.js';
import '../../harness/backends/backends.js';
import { GuardedHeap } from '../../harness/wasm/guardedHeap.js';

/** Two lengths whose product of float32 takes a little more than 4 GiB, and 16 GiB. */
const [GIB_4, GIB_16] = [2 ** 15 + 1, 2 ** 16 + 1];

const TFJS = 'a product of tfjs itself';

/** Calls with small inputs and a result that no memory holds. */
const TOO_LARGE: [string, typeof InvalidArgumentError | typeof WasmMemoryError, () => unknown][] = [
  ...([GIB_4, GIB_16] as const).flatMap((length, i) => {
    const kind = [WasmMemoryError, InvalidArgumentError][i]!;
    const ones = (shape: number[]) => tf.ones(shape);
    const floats = { bits: 32, groupSize: 1, shape: [1, length] } as const;
    const calls: [string, () => unknown][] = [
      [
        'QuantizedMatMul',
        () => quantizedMatMul(ones([length, 1]), { ...floats, codes: ones([1, length]) }),
      ],
      [
        'ScaledDotProductAttention',
        () =>
          scaledDotProductAttention(
            ones([1, 1, 256, 1]),
            ones([1, 1, 1, 1]),
            ones([1, 1, 1, 256]),
            {
              mask: tf.zeros([Math.ceil(length ** 2 / 2 ** 16), 1, 1, 1]),
            },
          ),
      ],
      [
        'HadaNormQuantize',
        () => hadaNormQuantize(ones([length, 1, 2]), { blockSize: 0, basis: ones([length, 2]) }),
      ],
      [
        'HadaNormQuantize, along',
        () => {
          const directions = ones([2, length]);
          return hadaNormQuantize(ones([length, 1, 2]), { blockSize: 0, directions });
        },
      ],
      [
        'ModulatedLayerNorm',
        () => modulatedLayerNorm(ones([length, 1, 1]), { factor: ones([1, length, 1]) }),
      ],
    ];
    return calls.map(
      ([op, call]) => [`${op}, ${i === 0 ? 4 : 16} GiB`, kind, call] as (typeof TOO_LARGE)[number],
    );
  }),
  [TFJS, WasmMemoryError, () => tf.matMul(tf.ones([GIB_16, 1]), tf.ones([1, GIB_16]))],
];

describe('WASM memory', () => {
  let backend: WasmBackend;

  before(async () => {
    await tf.setBackend('wasm');
    backend = tf.backend() as unknown as WasmBackend;
  });

  for (const [what, kind, call] of TOO_LARGE) {
    it(`a result that no memory holds gets a typed error and touches nothing: ${what}`, () => {
      GuardedHeap.check((heap) => {
        const ids = tf.backend().numDataIds();
        tf.tidy(() => {
          const victim = tf.fill([2 ** 16], 7);
          expect(call).to.throw(kind);
          expect(victim.dataSync().every((v) => v === 7)).to.equal(true);
        });
        heap.checkZones();
        // its kernel keeps what it reshaped
        if (what === TFJS) return;
        expect(Math.max(...heap.asked)).to.be.at.most(MOST_WASM_BYTES);
        expect(tf.backend().numDataIds()).to.equal(ids);
      });
    });
  }

  it('kernels write beside nothing', () => {
    GuardedHeap.check((heap) => {
      tf.tidy(() => {
        const x = tf.randomNormal([2, 5, 12]);
        const { quantized, residual } = hadaNormQuantize(x, { bits: 4, groupSize: 4 });
        const codes = tf.randomNormal([12, 7]);
        const weights = { codes, bits: 32, groupSize: 12, shape: [12, 7] as const };
        quantizedMatMul(quantized, weights, { residual: residual! }).dataSync();
        quantizedMatMul(x, weights).dataSync();
        for (const rank of [3, 8]) {
          const directions = tf.randomNormal([12, rank]);
          const { along } = hadaNormQuantize(x, { directions, subtract: true });
          const directionWeights = tf.randomNormal([rank, 7]);
          quantizedMatMul(x, weights, { along: along!, directionWeights }).dataSync();
        }
        scaledDotProductAttention(x, x, x).dataSync();
        modulatedLayerNorm(hadamardTransform(x)).dataSync();
      });
      heap.checkZones();
    });
  });

  it('malloc is not asked for what it cannot give', () => {
    const heap = fakeHeap();
    for (const bytes of [2 ** 31, 2 ** 32 - 64, 2 ** 32 + 64, Number.NaN]) {
      expect(() => new Arena(heap, 256).take(bytes)).to.throw(WasmMemoryError);
      expect(() => allocateForGood(heap, bytes)).to.throw(WasmMemoryError);
    }
    expect(Math.max(...heap.asked)).to.be.below(2 ** 10);
    const module = wasmModule(backend)!;
    for (const shape of [[GIB_4, GIB_4], [GIB_16, GIB_16], [2 ** 29]]) {
      const { makeOutput } = backend;
      let made = 0;
      backend.makeOutput = (...args) => {
        made++;
        return makeOutput.apply(backend, args);
      };
      try {
        expect(() => module.output(shape, 'float32')).to.throw(WasmMemoryError);
      } finally {
        backend.makeOutput = makeOutput;
      }
      expect(made).to.equal(0);
    }
  });

  it("tfjs's own allocations throw where malloc gives nothing, or would wrap", () => {
    const heap = fakeHeap();
    guardHeap(heap);
    guardHeap(heap);
    expect(heap._malloc(64)).to.equal(64);
    heap.full = true;
    expect(() => heap._malloc(64)).to.throw(WasmMemoryError);
    expect(heap._malloc(0)).to.equal(0);
    heap.asked.length = 0;
    expect(() => heap._malloc(2 ** 32 + 64)).to.throw(WasmMemoryError);
    expect(heap.asked).to.deep.equal([]);
  });

  it('what a call made is disposed of where it throws', () => {
    const module = wasmModule(backend)!;
    const ids = tf.backend().numDataIds();
    const failing = () =>
      module.call(() => {
        module.output([2, 3], 'float32');
        module.output([3], 'bool');
        throw new Error('afterwards');
      });
    expect(failing).to.throw('afterwards');
    expect(tf.backend().numDataIds()).to.equal(ids);
  });

  it('what a kernel would read as another number is refused', () => {
    const module = wasmModule(backend)!;
    const fields: FakeQuantRuns = {
      ...{ x: 64, y: 64, length: 4, run: 4, numGroups: 1, ranges: 0 },
      ...{ qMin: 0, qMax: 15, symmetric: 0 },
    };
    for (const wrong of [2 ** 32, 2 ** 32 + 1, -(2 ** 31) - 1, 0.5, Number.NaN]) {
      module.call(() => {
        const write = () => writeFakeQuantRuns(module, { ...fields, run: wrong });
        expect(write).to.throw(InvalidArgumentError, 'run must be an integer of 32 bits, got');
        expect(() => module.run('columnMeans', [64, 64, wrong, 4], 0)).to.throw(
          InvalidArgumentError,
          'argument 2 of columnMeans must be an integer of 32 bits',
        );
      });
    }
    expect(() => module.run('columnMeans', [64, 64, 4, 4], 2 ** 30 + 1)).to.throw(
      InvalidArgumentError,
      'the items of columnMeans must be at most',
    );
  });

  it('ever new numbers of tokens, and of channels, do not fill it', () => {
    const product = (tokens: number, d: number) =>
      tf.tidy(() => {
        const codes = tf.ones([d, 8]);
        const weights = { codes, bits: 32, groupSize: d, shape: [d, 8] as const };
        quantizedMatMul(tf.ones([tokens, d]), weights);
      });
    product(1, 4);
    GuardedHeap.check((heap) => {
      for (let tokens = 2; tokens < 200; tokens++) product(tokens, 4);
      expect(heap.live).to.equal(0);
      for (let length = 4; length <= 400; length += 4) {
        tf.tidy(() => {
          const { quantized } = hadaNormQuantize(tf.ones([1, length]), { blockSize: 4 });
          const bytes = tf.zeros([4 * length], 'bool');
          const weights = { codes: bytes, bits: 4, groupSize: 4, shape: [length, 4] as const };
          quantizedMatMul(quantized, { ...weights, scale: tf.ones([length / 4, 4]) });
        });
      }
      expect(heap.live).to.be.below(200);
      heap.checkZones();
    });
  });

  it('tables are freed when there are too many, those of a running call are not', () => {
    const module = wasmModule(backend)!;
    const large = () => new Uint8Array(MOST_TABLE_BYTES / 2 + 1).fill(3);
    GuardedHeap.check((heap) => {
      module.call(() => {
        const first = module.constant('test 1', large);
        module.call(() => module.constant('test 2', large));
        module.constant('test 3', large);
        expect(module.constant('test 1', large)).to.equal(first);
        expect(module.bytes()[first + MOST_TABLE_BYTES / 2]).to.equal(3);
        expect(heap.live).to.equal(3);
      });
      expect(heap.live).to.equal(1);
      heap.checkZones();
    });
  });

  it('the tables that were used last stay', () => {
    const heap = fakeHeap();
    const tables = new Tables(heap, 3000);
    const made: string[] = [];
    const get = (key: string) => {
      const make = () => {
        made.push(key);
        return new Uint8Array(500);
      };
      tables.get(key, make, () => undefined);
      tables.trim();
    };
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) get(key);
    expect(made).to.deep.equal(['a', 'b', 'c', 'b']);
    expect(heap.freed).to.equal(2);
  });
});

/** Gives each block the address of its size. */
function fakeHeap(): EmscriptenModule & { asked: number[]; freed: number; full: boolean } {
  const heap = {
    asm: {},
    asked: [0],
    freed: 0,
    full: false,
    _malloc(bytes: number) {
      heap.asked.push(bytes);
      return heap.full ? 0 : bytes;
    },
    _free() {
      heap.freed++;
    },
  };
  return heap;
}
