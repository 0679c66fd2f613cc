import { expect } from 'chai';
import { ROOT } from '../scripts/process.js';
import { castsOf } from './harness/floors/casts.js';
import { sourcesOf } from './harness/floors/sources.js';

/** A line that gets past the types, and what is said of it. */
const WRONG: readonly [string, string][] = [
  ['const a: any = b;', 'says any; write the type, or unknown.'],
  ['type A = readonly any[];', 'says any; write the type, or unknown.'],
  ['const a = b as any;', 'says any; write the type, or unknown.'],
  [
    'const a = b as unknown as A;',
    'casts by way of unknown; what tfjs leaves untyped is in ops/common/kernel.ts.',
  ],
  [
    'const a = (b as unknown) as A;',
    'casts by way of unknown; what tfjs leaves untyped is in ops/common/kernel.ts.',
  ],
  ['// @ts-expect-error a reason\nf();', 'has a tool look away; mend what it says.'],
  ['/* @ts-ignore */ f();', 'has a tool look away; mend what it says.'],
  ['// biome-ignore lint/a: reason\nf();', 'has a tool look away; mend what it says.'],
];

describe('Types are kept to', () => {
  it('no any, no cast by way of unknown, nothing suppressed', () => {
    const sources = sourcesOf(ROOT, ['ops', 'src', 'models', 'scripts', 'examples']);
    const own = [...sources].filter(([file]) => !file.startsWith('ops/wasm/assembly/'));
    expect(own.flatMap(([file, text]) => castsOf(file, text))).to.deep.equal([]);
  });

  for (const [text, said] of WRONG) {
    it(`${text.replace('\n', ' ')} is said`, () => {
      expect(castsOf('src/a.ts', `\n${text}`)).to.deep.equal([`src/a.ts:2 ${said}`]);
    });
  }

  it('only the file where such casts live may have them', () => {
    expect(castsOf('ops/common/kernel.ts', 'const a = b as unknown as A;')).to.deep.equal([]);
    expect(castsOf('ops/common/kernel.ts', 'const a = b as any;')).to.have.length(1);
  });

  it('words and other casts are none of these', () => {
    const text = '// any: as unknown as A\nconst any = b as A;\nconst c = d as unknown;';
    expect(castsOf('src/a.ts', text)).to.deep.equal([]);
  });
});
