import { Arena } from './arena.js';
import type { EmscriptenModule } from './backend.js';
import type { WasmExports } from './exports.js';

/**
 * What the engine makes of the relaxed dot product when its second operand leaves 0 … 127, which
 * the standard leaves open:
 * - 'signed', 'unsigned': one instruction of the machine (ARM's SDOT; AVX-VNNI) that takes all
 *   eight bits, so that 8-bit weights can go through it too;
 * - 'pairs': anything else, as x86 without VNNI, which adds pairs in 16 bits with saturation, or
 *   ARM without SDOT, where they wrap at −128 · −128 twice.
 */
export type RelaxedDot = 'signed' | 'unsigned' | 'pairs';

const ROUNDS = 64;

/**
 * Known answers of the relaxed instructions; null where they are wrong. Validation is not enough:
 * Node 20 behind its flag accepts them and gives wrong values.
 */
export function relaxedDotOf(
  heap: EmscriptenModule,
  memory: WebAssembly.Memory,
  exports: WasmExports,
): RelaxedDot | null {
  const arena = new Arena(heap, 256);
  try {
    const probe = new Probe(
      memory,
      exports,
      [0, 1, 2, 3].map(() => arena.take(16)),
    );
    if (!probe.holds('dot', 127) || !probe.holds('pairs', 127)) return null;
    if (probe.holds('dot', 255, (byte) => (byte << 24) >> 24)) return 'signed';
    return probe.holds('dot', 255) ? 'unsigned' : 'pairs';
  } finally {
    arena.dispose();
  }
}

/** Runs an instruction over bytes and compares. */
class Probe {
  private readonly bytes: Int8Array;
  private readonly words: Int32Array;
  private readonly pairs: Int16Array;

  constructor(
    memory: WebAssembly.Memory,
    private readonly exports: WasmExports,
    private readonly at: readonly number[], // a, b, accumulators, result
  ) {
    this.bytes = new Int8Array(memory.buffer);
    this.words = new Int32Array(memory.buffer);
    this.pairs = new Int16Array(memory.buffer);
  }

  /** Whether the sums are exact for second operands 0 … top, read as `read` says. */
  holds(what: 'dot' | 'pairs', top: number, read = (byte: number) => byte): boolean {
    const [a, b, sums, out] = this.at as [number, number, number, number];
    for (let round = 0; round < ROUNDS; round++) {
      const products = Array.from({ length: 16 }, (_, i) => {
        // the first rounds are the extremes: 127 and −128 times the largest and, of all eight bits,
        // times −128
        const left = round < 4 ? 127 - 255 * (round % 2) : ((round * 89 + i * 151) % 256) - 128;
        const ends = round < 2 ? top : (top + 1) / 2;
        const right = round < 4 ? ends : (round * 61 + i * 37) % (top + 1);
        this.bytes[a + i] = left;
        this.bytes[b + i] = right;
        return left * read(right);
      });
      const size = what === 'dot' ? 4 : 2;
      const expected = Array.from({ length: 16 / size }, (_, lane) => {
        const start = what === 'dot' ? (round - 32) * 1_000_003 * (lane + 1) : 0;
        if (what === 'dot') this.words[sums / 4 + lane] = start;
        return products
          .slice(size * lane, size * (lane + 1))
          .reduce((sum, product) => sum + product, start);
      });
      if (what === 'dot') this.exports.relaxedDot!(a, b, sums, out);
      else this.exports.relaxedPairs!(a, b, out);
      const got = what === 'dot' ? this.words : this.pairs;
      if (expected.some((sum, lane) => got[out / size + lane] !== sum)) return false;
    }
    return true;
  }
}
