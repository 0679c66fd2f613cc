/**
 * What `npm run build:wasm` asserts of the modules: they live in tfjs's memory and must leave its
 * contents alone.
 */

const SECTION = {
  import: 2,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  data: 11,
} as const;
const KIND = { memory: 2 } as const;

/** A module that must not be put into somebody else's memory. */
export class WasmModuleError extends Error {
  override readonly name = 'WasmModuleError';
}

/**
 * Checks that a module imports `env.memory` (unshared, without a maximum) and nothing else, and has
 * no memory, data segment, table, start function or mutable global (a stack pointer would be one)
 * of its own.
 * @throws WasmModuleError that says what else it has.
 */
export function checkModule(name: string, bytes: Uint8Array): void {
  const refuse = (what: string) => {
    throw new WasmModuleError(`${name}: a module in tfjs's memory must not have ${what}.`);
  };
  let imports = 0;
  for (const { id, body } of sections(bytes)) {
    if (id === SECTION.import) imports += checkImports(body, refuse);
    if (id === SECTION.table) refuse('a table');
    if (id === SECTION.memory) refuse('a memory of its own');
    if (id === SECTION.global) checkGlobals(body, refuse);
    if (id === SECTION.start) refuse('a start function');
    if (id === SECTION.data) refuse('a data segment');
  }
  if (imports === 0) throw new WasmModuleError(`${name}: a module must import env.memory.`);
}

type Refuse = (what: string) => void;

function checkImports(body: Reader, refuse: Refuse): number {
  const count = body.u32();
  for (let i = 0; i < count; i++) {
    const path = `${body.text()}.${body.text()}`;
    if (body.byte() !== KIND.memory || path !== 'env.memory' || i > 0) {
      refuse(`an import of ${path} beside env.memory`);
    }
    // the loader rewrites these limits for a shared memory
    if (body.byte() !== 0) refuse('a shared or limited env.memory');
    body.u32();
  }
  return count;
}

function checkGlobals(body: Reader, refuse: Refuse): void {
  const count = body.u32();
  for (let i = 0; i < count; i++) {
    body.byte(); // type
    if (body.byte() !== 0) refuse('a mutable global, such as a stack pointer');
    // constants only: an opcode, its value, end. A value may hold the end's byte, so it is read by
    // its type
    body.constant();
  }
}

function* sections(bytes: Uint8Array): Generator<{ id: number; body: Reader }> {
  const file = new Reader(bytes, 8);
  while (file.at < bytes.length) {
    const id = file.byte();
    const length = file.u32();
    yield { id, body: new Reader(bytes, file.at) };
    file.at += length;
  }
}

/** Reads the binary format (WebAssembly Core 1.0, §5). */
class Reader {
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
  ) {}

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new WasmModuleError('a module ends early.');
    return value;
  }

  /** LEB128; good for signed numbers too where only their length matters. */
  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
  }

  text(): string {
    const length = this.u32();
    this.at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }

  constant(): void {
    const opcode = this.byte();
    if (opcode === 0x43) this.at += 4;
    else if (opcode === 0x44) this.at += 8;
    else if (opcode === 0xfd) this.at += 17;
    else this.u32();
    this.byte();
  }
}
