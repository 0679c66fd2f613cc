import { expect } from 'chai';
import { relaxedDotOf } from '../../../ops/wasm/instance/relaxedDot.js';

/**
 * How an engine might carry out the two instructions; what a and b are is given as they are stored,
 * 0 … 255.
 */
interface Engine {
  /** Four products of neighbours and an accumulator. */
  readonly dot: (a: readonly number[], b: readonly number[], sum: number) => number;
  /** Two products of neighbours. */
  readonly pair: (a: readonly number[], b: readonly number[]) => number;
}

const signed = (byte: number) => (byte << 24) >> 24;
const wrapped = (sum: number) => (sum << 16) >> 16;
const saturated = (sum: number) => Math.max(-32_768, Math.min(32_767, sum));
const unsigned = (byte: number) => byte;

/** Σ of products, the second operands read as `read` says. */
function products(read: (byte: number) => number) {
  return (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, left, i) => sum + signed(left) * read(b[i]!), 0);
}

/** Pairs in 16 bits, which `keep` cuts to size; dot products are two of them. */
function byPairs(read: (byte: number) => number, keep: (sum: number) => number): Engine {
  const pair: Engine['pair'] = (a, b) => keep(products(read)(a, b));
  return {
    pair,
    dot: (a, b, sum) => sum + pair(a.slice(0, 2), b.slice(0, 2)) + pair(a.slice(2), b.slice(2)),
  };
}

/** Dot products in 32 bits by one instruction, pairs as elsewhere. */
function atOnce(read: (byte: number) => number, pairs: Engine): Engine {
  return { ...pairs, dot: (a, b, sum) => sum + products(read)(a, b) };
}

const x86 = byPairs(unsigned, saturated);
const arm = byPairs(signed, wrapped);

const ENGINES: readonly [string, Engine, ReturnType<typeof relaxedDotOf>][] = [
  ['ARM with SDOT', atOnce(signed, arm), 'signed'],
  ['x86 with AVX-VNNI', atOnce(unsigned, x86), 'unsigned'],
  ['x86 by pairs that saturate', x86, 'pairs'],
  ['ARM by pairs that wrap at −128 · −128 twice', arm, 'pairs'],
  ['pairs that saturate, signed', byPairs(signed, saturated), 'pairs'],
  ['pairs that wrap, unsigned', byPairs(unsigned, wrapped), 'pairs'],
  [
    'the first operand read as unsigned',
    { ...x86, dot: (a, b, sum) => sum + products(unsigned)(b, a) },
    null,
  ],
  ['no accumulator', { ...x86, dot: (a, b) => x86.dot(a, b, 0) }, null],
  [
    'pairs of the wrong neighbours',
    { ...x86, pair: (a, b) => x86.pair(a, [...b].reverse()) },
    null,
  ],
  [
    'pairs that saturate too soon',
    { ...x86, pair: (a, b) => Math.max(-32_000, x86.pair(a, b)) },
    null,
  ],
  ['zeros', { dot: () => 0, pair: () => 0 }, null],
];

describe('Known answers of relaxed SIMD', () => {
  for (const [name, engine, expected] of ENGINES) {
    it(`${name}: ${expected ?? 'not to be used'}`, () => {
      expect(classify(engine)).to.equal(expected);
    });
  }
});

function classify({ dot, pair }: Engine) {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const bytes = new Uint8Array(memory.buffer);
  const words = new Int32Array(memory.buffer);
  const halves = new Int16Array(memory.buffer);
  const lane = (at: number, i: number, size: number) => [
    ...bytes.subarray(at + i * size, at + (i + 1) * size),
  ];
  const exports = {
    relaxedDot(a: number, b: number, sums: number, out: number) {
      for (let i = 0; i < 4; i++) {
        words[out / 4 + i] = dot(lane(a, i, 4), lane(b, i, 4), words[sums / 4 + i]!);
      }
      return undefined;
    },
    relaxedPairs(a: number, b: number, out: number) {
      for (let i = 0; i < 8; i++) halves[out / 2 + i] = pair(lane(a, i, 2), lane(b, i, 2));
      return undefined;
    },
  };
  const freed: number[] = [];
  const heap = { asm: { memory }, _malloc: () => 4096, _free: (at: number) => freed.push(at) };
  const kind = relaxedDotOf(heap as never, memory, exports as never);
  expect(freed, 'memory given back').to.deep.equal([4096]);
  return kind;
}
