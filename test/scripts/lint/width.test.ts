import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { findings } from '../../../scripts/lint/main.js';
import { wideCode, wideMarkdown } from '../../../scripts/lint/width.js';

const wide = (first: string) => first.padEnd(101, 'x y ');
const placesOf = (text: string) => wideMarkdown('a.md', text).map(({ line }) => line);

describe('Width', () => {
  it('a line of code or comment of 101 columns is told by its place, one of 100 is not', () => {
    const lines = [wide('// '), wide('// ').slice(1), wide('const a = ')];
    expect(wideCode('src/a.ts', lines.join('\n'))).to.deep.equal([
      { file: 'src/a.ts', line: 1, problem: '101 columns, at most 100' },
      { file: 'src/a.ts', line: 3, problem: '101 columns, at most 100' },
    ]);
  });

  it('a letter is a column, however many bytes it takes', () => {
    expect(wideCode('a.ts', 'µ𝑥'.repeat(50))).to.deep.equal([]);
    expect(wideCode('a.ts', 'µ𝑥'.repeat(50).concat('σ'))).to.have.length(1);
  });

  it('what a script wrote may be wide', () => {
    expect(wideCode('a.ts', `// written by \`npm run build:wasm\`\n${wide('const a = ')}`)).to.be
      .empty;
  });

  it('prose, lists, headings and TypeScript of Markdown are held to it', () => {
    const lines = [wide('A '), wide('- '), wide('## '), '```ts', wide('f('), '```', wide('B ')];
    expect(placesOf(lines.join('\n'))).to.deep.equal([1, 2, 3, 5, 7]);
  });

  it('tables, pictures, other code and a single word are not', () => {
    const word = 'https://'.padEnd(120, 'x');
    const lines = [
      `${wide('| a ')} |`,
      `${wide('![A ')}](b)`,
      '```sh',
      wide('npm '),
      '```',
      word,
      `- ${word}`,
    ];
    expect(placesOf(lines.join('\n'))).to.deep.equal([]);
  });

  it('is looked at in code and Markdown, hidden folders apart', () => {
    const root = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-width-'));
    const files = [
      ...['src/a.ts', 'src/.left/c.ts', 'src/d.json', 'ops/e.css'],
      ...['ops/wasm/assembly/f.ts', 'docs/g.md', 'H.md', 'i.ts'],
      ...['models/j.py', 'examples/k.html', 'scripts/l.ts', 'test/m.test.ts'],
    ];
    for (const file of files) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), wide('word '));
    }
    try {
      const found = findings(root).map(({ file }) => file);
      expect(found.sort()).to.deep.equal(
        ['H.md', 'docs/g.md', 'examples/k.html', 'i.ts', 'models/j.py', 'ops/e.css'].concat(
          ...['ops/wasm/assembly/f.ts', 'scripts/l.ts', 'src/a.ts', 'test/m.test.ts'],
        ),
      );
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
