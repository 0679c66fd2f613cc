import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import * as records from '../../ops/wasm/records.js';
import { compile, RECORDS } from '../../scripts/buildWasm.js';
import { assemblySide } from '../../scripts/wasmRecords/assembly.js';
import type { Description } from '../../scripts/wasmRecords/describe.js';
import { description } from '../../scripts/wasmRecords/description.js';
import { resolveLayouts } from '../../scripts/wasmRecords/resolve.js';
import { bytesName, camelCase } from '../../scripts/wasmRecords/text.js';
import { typescriptSide } from '../../scripts/wasmRecords/typescript.js';
import {
  AT,
  changedConstant,
  changedEnumeration,
  changedFields,
  changedLayout,
  fieldsOf,
  probeSource,
  regionBytes,
  sampleSizes,
} from '../harness/wasm/recordsProbe.js';

type Probe = Record<string, (...args: number[]) => number>;

/** Everything that ops/wasm/records.ts exports, by name. */
const exported: Readonly<Record<string, unknown>> = { ...records };

/** What must be seen on both sides. */
const CHANGES: readonly [string, Description][] = [
  ['two fields that change places', changedFields('Product', ['k', 'n'])],
  ['a constant', changedConstant('MR', 8)],
  ['an enumeration', changedEnumeration('ACTIVATION', ['none', 'relu'])],
  ['an array of a layout', changedLayout('Panel', 'sums', 'f32', ['segmentCount', 'NR', 2])],
];

/** Whether an object with these fields may be written as a GroupRange. */
type Takes<Given extends records.GroupRange> = Given extends Parameters<
  typeof records.putGroupRange<Given>
>[2]
  ? true
  : false;

describe('The records of the WASM kernels', () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  let probe: Probe;

  before(async () => {
    probe = await probeOf(description, memory);
  });

  for (const { file, text } of RECORDS) {
    it(`${file.slice(file.indexOf('ops/wasm'))} is what the description gives`, async () => {
      expect(await readFile(file, 'utf8')).to.equal(text);
    });
  }

  for (const [what, changed] of CHANGES) {
    it(`${what} in the description changes both sides`, () => {
      expect(typescriptSide(changed)).not.to.equal(typescriptSide(description));
      expect(assemblySide(changed)).not.to.equal(assemblySide(description));
    });
  }

  for (const [name, record] of Object.entries(description.records)) {
    it(`${name} has the same size on both sides`, () => {
      expect(exported[bytesName(name)]).to.equal(probe[bytesName(name)]!());
    });
    if (record.written === 'assembly') continue;
    it(`every field of ${name} that TypeScript writes is what a kernel reads`, () => {
      const fields = fieldsOf(record);
      const at = write(name, memory, fields, AT);
      expect(read(probe, name, fields, at)).to.deep.equal(fields);
    });
  }

  it('a kernel of another description reads other values', async () => {
    const changed = await probeOf(changedFields('Product', ['k', 'n']), memory);
    const fields = fieldsOf(description.records.Product!);
    const at = write('Product', memory, fields, AT);
    const expected = { ...fields, k: fields.n, n: fields.k };
    expect(read(changed, 'Product', fields, at)).to.deep.equal(expected);
  });

  it('a writer takes exactly the fields of its record', () => {
    const exact: Takes<{ low: number; high: number }> = true;
    const more: Takes<{ low: number; high: number; middle: number }> = false;
    const fewer: { low: number } extends records.GroupRange ? true : false = false;
    expect([exact, more, fewer]).to.deep.equal([true, false, false]);
  });

  it('constants and enumerations are the same numbers on both sides', () => {
    const shared = Object.entries(description.constants).filter(([, c]) => c.sides === 'both');
    for (const [name, { value }] of shared) {
      expect([exported[name], probe[name]!()], name).to.deep.equal([value, value]);
    }
    for (const [name, { values }] of Object.entries(description.enumerations)) {
      const numbers = Object.fromEntries(values.map((value, i) => [value, i]));
      expect(exported[name]).to.deep.equal(numbers);
      expect(values.map((value) => probe[`${name}_${value}`]!())).to.deep.equal(
        Object.values(numbers),
      );
    }
  });

  for (const layout of resolveLayouts(description)) {
    it(`${layout.name} has as many bytes as its kernels lay out`, () => {
      for (const sizes of sampleSizes(description, layout)) {
        const given = layout.record === null ? Object.values(sizes) : [sizes];
        const bytes =
          call(`${camelCase(layout.name)}Bytes`, given) ?? exported[bytesName(layout.name)];
        const args = argsOf(layout.record, sizes);
        expect(probe[`${layout.name}Bytes`]!(...args), JSON.stringify(sizes)).to.equal(bytes);
        const starts = layout.regions.map((region) =>
          probe[`${layout.name}_${region.name}`]!(...args),
        );
        const ends = [...starts.slice(1), AT + Number(bytes)];
        expect(starts[0]).to.equal(AT + layout.headerBytes);
        expect(ends.map((end, i) => end - starts[i]!)).to.deep.equal(
          layout.regions.map((region) => regionBytes(layout, region, sizes)),
        );
      }
    });
  }

  it('a layout of a name that nobody knows is an error', () => {
    const changed = changedLayout('Panel', 'sums', 'f32', ['segments', 'rowz']);
    expect(() => assemblySide(changed)).to.throw(
      'The layout Panel of the WASM records knows no rowz',
    );
    expect(() => typescriptSide(changed)).to.throw('knows no rowz');
  });

  it('no line of either side is over 100 columns', () => {
    const wide = RECORDS.flatMap(({ text }) => text.split('\n').filter((l) => l.length > 100));
    expect(wide).to.deep.equal([]);
  });

  /** Sizes as a kernel takes them: a record in memory, or numbers. */
  function argsOf(record: string | null, sizes: Readonly<Record<string, number>>): number[] {
    if (record === null) return Object.values(sizes);
    return [write(record, memory, sizes, 1024)];
  }
});

async function probeOf(of: Description, memory: WebAssembly.Memory): Promise<Probe> {
  const sources = { 'probe.ts': probeSource(of), 'records.ts': assemblySide(of) };
  const bytes = Uint8Array.from(await compile('probe.ts', [], sources));
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  return instance.exports as Probe;
}

/** Writes a record with the writer of its name, where scratch memory is at `at`; its address. */
function write(
  name: string,
  memory: WebAssembly.Memory,
  fields: Readonly<Record<string, number>>,
  at: number,
): number {
  if (description.records[name]!.written === 'scratch') {
    return Number(call(`write${name}`, [{ memory, scratch: () => at }, fields]));
  }
  call(`put${name}`, [new DataView(memory.buffer), at, fields]);
  return at;
}

/** Calls what ops/wasm/records.ts exports under a name; undefined where it exports no function. */
function call(name: string, args: readonly unknown[]): unknown {
  const found = exported[name];
  return typeof found === 'function' ? found(...args) : undefined;
}

function read(
  probe: Probe,
  name: string,
  fields: Readonly<Record<string, number>>,
  at: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.keys(fields).map((field) => [field, probe[`${name}_${field}`]!(at)]),
  );
}
