/**
 * Loops over one instruction on registers, nothing else: what no kernel that needs the instruction
 * can pass.
 */
export const INSTRUCTIONS = {
  /** i32x4.dot_i16x8_s and an addition: 8 multiply-adds. */
  dot16: { macs: 8, relaxed: false, adds: false, code: [...simd(0xba), ...simd(0xae)] },
  /** i16x8.relaxed_dot_i8x16_i7x16_s and an addition: 16 multiply-adds. */
  relaxedPairs: { macs: 16, relaxed: true, adds: false, code: [...simd(0x112), ...simd(0x8e)] },
  /** i32x4.relaxed_dot_i8x16_i7x16_add_s: 16 multiply-adds. */
  relaxedDot: { macs: 16, relaxed: true, adds: true, code: simd(0x113) },
} as const;

export type Instruction = keyof typeof INSTRUCTIONS;

/**
 * Accumulators: enough to hide the latency, few enough for V8 to keep them in x86's 16 registers
 * (12 ran at 0.6 ×).
 */
export const ACCUMULATORS = 10;

/** Additions in a turn of the chain's loop. */
export const CHAIN = 64;

const [I32, V128] = [0x7f, 0x7b];
const OP = {
  loop: [0x03, 0x40],
  end: [0x0b],
  again: [0x0d, 0],
  one: [0x41, 1],
  add: [0x6a],
  subtract: [0x6b],
  splat: simd(0x11),
  xor: simd(0x51),
  lane0: [...simd(0x1b), 0],
};
/** i32.const 64, in signed LEB128. */
const LINE = [0x41, 0xc0, 0];
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];

/** Runs so many turns of a loop. */
export type Loop = (turns: number) => number;

/** The loop of an instruction: `ACCUMULATORS` of it a turn. */
export function instructionLoop(instruction: Instruction): Loop {
  const { code, adds } = INSTRUCTIONS[instruction];
  const [turns, factor, first] = [0, 1, 2];
  const sums = Array.from({ length: ACCUMULATORS }, (_, i) => first + i);
  // every product reads its own accumulator: equal ones would be computed once
  const step = (sum: number) =>
    adds
      ? [...get(sum), ...get(factor), ...get(sum), ...code, ...set(sum)]
      : [...get(sum), ...get(sum), ...get(factor), ...code, ...set(sum)];
  const start = [factor, ...sums].flatMap((local) => [
    ...[...get(turns), 0x41, local, ...OP.add],
    ...[...OP.splat, ...set(local)],
  ]);
  const whole = sums.slice(1).flatMap((sum) => [...get(sum), ...OP.xor]);
  const result = [...get(first), ...whole, ...OP.lane0];
  return compile(1, [1 + ACCUMULATORS, V128], [...start, ...looped(sums.flatMap(step)), ...result]);
}

/** The loop of a chain of dependent additions: `CHAIN` of them a turn, one a cycle. */
export function chainLoop(): Loop {
  const [turns, step, sum] = [0, 1, 2];
  const start = [...get(turns), ...set(step)];
  const add = [...get(sum), ...get(step), ...OP.add, ...set(sum)];
  const body = Array.from({ length: CHAIN }, () => add).flat();
  return compile(1, [2, I32], [...start, ...looped(body), ...get(sum)]);
}

/** Copies `turns` times 64 bytes, 16 at a time: what SIMD128 has for it. */
export function copyLoop(
  memory: WebAssembly.Memory,
): (turns: number, from: number, to: number) => number {
  const [from, to] = [1, 2];
  const moves = [0, 16, 32, 48].flatMap((offset) => [
    ...[...get(to), ...get(from)],
    ...[...simd(0x00), 0, offset],
    ...[...simd(0x0b), 0, offset],
  ]);
  const advance = [from, to].flatMap((at) => [...get(at), ...LINE, ...OP.add, ...set(at)]);
  return compile(3, [0, I32], [...looped([...moves, ...advance]), ...get(to)], memory);
}

/** The body, as often as parameter 0 says. */
function looped(body: readonly number[]): number[] {
  const count = [...get(0), ...OP.one, ...OP.subtract, 0x22, 0];
  return [...OP.loop, ...body, ...count, ...OP.again, ...OP.end];
}

/** A module of one function of i32 with `locals` (count, type), as in WebAssembly Core 1.0, §5. */
function compile(
  parameters: number,
  [count, type]: readonly [number, number],
  body: readonly number[],
  memory?: WebAssembly.Memory,
): (...args: number[]) => number {
  const code = [1, count, type, ...body, ...OP.end];
  const types = Array.from({ length: parameters }, () => I32);
  const bytes = Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, parameters, ...types, 1, I32]),
    // 'm'.'m', a memory that is not shared
    ...(memory === undefined ? [] : section(2, [1, 1, 0x6d, 1, 0x6d, 2, 0, 0])),
    ...section(3, [1, 0]),
    ...section(7, [1, 1, 0x66, 0, 0]),
    ...section(10, [1, ...leb128(code.length), ...code]),
  ]);
  const imports: WebAssembly.Imports = memory === undefined ? {} : { m: { m: memory } };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
  return exports.f as (...args: number[]) => number;
}

function section(id: number, body: readonly number[]): number[] {
  return [id, ...leb128(body.length), ...body];
}

function simd(opcode: number): number[] {
  return [0xfd, ...leb128(opcode)];
}

function leb128(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb128(value >>> 7)];
}
