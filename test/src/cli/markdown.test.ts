import { expect } from 'chai';
import fc from 'fast-check';
import { columnsOf, markdownLines, wrapMarkdown } from '../../../src/cli/markdown.js';

const LONG = Array.from({ length: 30 }, (_, i) => `word${i}`).join(' ');

describe('Wrapping Markdown', () => {
  it('fills lines of prose up to 100 columns', () => {
    const lines = wrapMarkdown(LONG).split('\n');
    expect(lines.map(columnsOf)).to.deep.equal([94, 97, 6]);
    expect(lines.join(' ')).to.equal(LONG);
    expect(wrapMarkdown(LONG.replaceAll(' ', '\n'))).to.equal(wrapMarkdown(LONG));
  });

  it('keeps items of lists and quotations apart, and indents what goes on', () => {
    const text = `- ${LONG}\n- b\n  c\n\n12. ${LONG}\n> ${LONG}`;
    const lines = wrapMarkdown(text).split('\n');
    expect(lines.map((line) => line.slice(0, 5))).to.deep.equal([
      ...['- wor', '  wor', '  wor', '- b c', '', '12. w', '    w', '    w', '> wor', '> wor'],
      '> wor',
    ]);
  });

  it('leaves headings, tables, pictures, comments and code as they are', () => {
    const kept = [`# ${LONG}`, `| ${LONG} |`, `![${LONG}](a.png)`, `<!-- ${LONG} -->`];
    const text = [...kept, '```sh', `npm ${LONG}`, 'a', '```'].join('\n');
    expect(wrapMarkdown(text)).to.equal(text);
  });

  it('does not break code or links, nor begin a line with what would be a mark', () => {
    const before = 'x'.repeat(97);
    expect(wrapMarkdown(`${before} \`a b c\`, d`)).to.equal(`${before}\n\`a b c\`, d`);
    expect(wrapMarkdown(`${before} ([a b](c)) d`)).to.equal(`${before}\n([a b](c)) d`);
    for (const mark of ['-', '+', '#', '1.', '|a|', '>']) {
      expect(wrapMarkdown(`${before} y ${mark} z`)).to.equal(`${before}\ny ${mark} z`);
    }
  });

  it('once is as good as twice, and no word is lost', () => {
    const word = fc.constantFrom('a', '`b c`', '-', '2.', '|d|', 'µσ', 'e'.repeat(120), '[f g](h)');
    const prose = fc.array(word, { minLength: 1, maxLength: 60 }).map((words) => words.join(' '));
    fc.assert(
      fc.property(prose, (text) => {
        const once = wrapMarkdown(`Of ${text}`);
        expect(wrapMarkdown(once)).to.equal(once);
        expect(once.replaceAll('\n', ' ')).to.equal(`Of ${text}`);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('a fence ends where its own mark comes back', () => {
    const lines = markdownLines('````md\n```\n````\nprose').map(({ kind }) => kind);
    expect(lines).to.deep.equal(['code', 'code', 'code', 'prose']);
  });
});
