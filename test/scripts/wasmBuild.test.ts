import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { BASELINE, RELAXED } from '../../ops/wasm/instance/binaries.js';
import { fromBase64, withSharedMemory } from '../../ops/wasm/instance/binary.js';
import { BINARIES, compileBinaries } from '../../scripts/buildWasm.js';
import { checkModule, WasmModuleError } from '../../scripts/wasmBinary.js';

const MAGIC = [0, ...text('asm').slice(1), 1, 0, 0, 0];

/** Sections of the binary format (WebAssembly Core 1.0, §5.5), as id and contents. */
const IMPORT_MEMORY = [2, 1, ...text('env'), ...text('memory'), 2, 0, 0];
const TYPES = [1, 1, 0x60, 0, 0];

/** What must be refused: the sections beside what a module may have, and what the error says. */
const REFUSED: readonly [string, number[][], string][] = [
  ['a data segment', [IMPORT_MEMORY, [11, 1, 0, 0x41, 8, 0x0b, 1, 7]], 'a data segment'],
  ['a stack pointer', [IMPORT_MEMORY, [6, 1, 0x7f, 1, 0x41, 0, 0x0b]], 'a mutable global'],
  ['a memory of its own', [[5, 1, 0, 1]], 'a memory of its own'],
  ['a table', [IMPORT_MEMORY, [4, 1, 0x70, 0, 0]], 'a table'],
  ['a start function', [TYPES, IMPORT_MEMORY, [3, 1, 0], [8, 0]], 'a start function'],
  [
    'an imported function',
    [TYPES, [2, 1, ...text('env'), ...text('abort'), 0, 0]],
    'an import of env.abort beside env.memory',
  ],
  [
    'a second import',
    [TYPES, [2, 2, ...IMPORT_MEMORY.slice(2), ...text('env'), ...text('f'), 0, 0]],
    'an import of env.f beside env.memory',
  ],
  [
    'a shared memory',
    [[2, 1, ...text('env'), ...text('memory'), 2, 3, 0, 1]],
    'a shared or limited',
  ],
  ['no memory', [TYPES], 'must import env.memory'],
];

describe('The build of the WASM kernels', () => {
  it('gives the very texts that are committed', async () => {
    for (const { file, modules } of BINARIES) {
      expect(await compileBinaries(modules)).to.equal(await readFile(file, 'utf8'));
    }
  });

  for (const [what, sections, message] of REFUSED) {
    it(`${what} in a module is refused`, () => {
      const bytes = moduleOf(sections);
      expect(() => checkModule('bad', bytes)).to.throw(WasmModuleError, message);
    });
  }

  it('a constant that ends in the end byte does not hide the mutable global behind it', () => {
    const globals = [6, 2, 0x7f, 0, 0x41, 0x0b, 0x0b, 0x7f, 1, 0x41, 0, 0x0b];
    const bytes = moduleOf([IMPORT_MEMORY, globals]);
    expect(() => checkModule('bad', bytes)).to.throw(WasmModuleError, 'a mutable global');
  });

  it('a module that is cut short is refused', () => {
    const bytes = moduleOf([IMPORT_MEMORY]).subarray(0, 12);
    expect(() => checkModule('bad', bytes)).to.throw(WasmModuleError, 'ends early');
  });

  for (const [name, base64] of Object.entries({ BASELINE, RELAXED })) {
    it(`${name} runs on a shared memory once its import says so, and only then`, () => {
      const bytes = fromBase64(base64);
      // this Node may not know the instructions: the import then is all that can be looked at
      if (!WebAssembly.validate(bytes)) return expect(name).to.equal('RELAXED');
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
      const instance = (code: BufferSource) =>
        new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
      expect(() => instance(bytes)).to.throw(WebAssembly.LinkError);
      const names = Object.keys(instance(withSharedMemory(bytes)).exports);
      expect(names).to.deep.equal(
        WebAssembly.Module.exports(new WebAssembly.Module(bytes)).map((e) => e.name),
      );
    });
  }
});

function text(value: string): number[] {
  return [value.length, ...new TextEncoder().encode(value)];
}

function moduleOf(sections: readonly number[][]): Uint8Array {
  const parts = sections.map(([id, ...body]) => [id!, body.length, ...body]);
  return Uint8Array.from([...MAGIC, ...parts.flat()]);
}
