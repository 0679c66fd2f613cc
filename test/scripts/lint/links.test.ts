import { expect } from 'chai';
import { brokenLinks } from '../../../scripts/lint/links.js';

const PAGES: Readonly<Record<string, string>> = {
  'docs/ops.md': '# Ops\n\n## What runs where\n\n## `a(b)`: c, d\n\n## Twice\n\n## Twice\n',
  'README.md': '# Project\n\n```md\n## Not a heading\n```\n',
};
const PROJECT = {
  read: (file: string) => PAGES[file]!,
  exists: (path: string) => path in PAGES || path === 'src/a.ts' || path === 'src',
};

function problemsOf(file: string, text: string): string[] {
  return brokenLinks(file, text, PROJECT).map(({ line, problem }) => `${line}: ${problem}`);
}

describe('Links of Markdown', () => {
  it('to files, folders and headings that are there are right, seen from their page', () => {
    const links = [
      ...['[a](ops.md)', '[a](../src/a.ts)', '[a](../src)', '[a](ops.md#what-runs-where)'],
      ...[
        '![a](../README.md)',
        '[a](ops.md#ab-c-d)',
        '[a](ops.md#twice-1)',
        '[a](../README.md#project)',
      ],
    ];
    expect(problemsOf('docs/b.md', links.join('\n'))).to.deep.equal([]);
    expect(problemsOf('README.md', '[a](#project), [b](src/a.ts#L3)')).to.deep.equal([]);
  });

  it('to a file that is not there are told by their line', () => {
    const text = 'A\n[b\nc](gone.md) and [d](../docs/ops.md)\n![e](gone.png)';
    expect(problemsOf('docs/b.md', text)).to.deep.equal([
      '3: links to docs/gone.md, which is not there',
      '4: links to docs/gone.png, which is not there',
    ]);
  });

  it('to a heading that is not there are told too', () => {
    const text = '[a](docs/ops.md#gone)\n[b](#not-a-heading)\n[c](docs/ops.md#twice-2)';
    expect(problemsOf('README.md', text)).to.deep.equal([
      '1: links to docs/ops.md#gone, which has no such heading',
      '2: links to README.md#not-a-heading, which has no such heading',
      '3: links to docs/ops.md#twice-2, which has no such heading',
    ]);
  });

  it('elsewhere, in code and yet to be filled in are not looked at', () => {
    const text = '[a](https://a.b) [c](mailto:d) `[e](f)` ![g]({{h}})\n```md\n[i](j)\n```';
    expect(problemsOf('README.md', text)).to.deep.equal([]);
  });

  it('of a template are those of the page in docs that it becomes', () => {
    const text = '[a](ops.md) [b](../README.md) [c](b.md)';
    expect(problemsOf('models/research/docs.template.md', text)).to.deep.equal([
      '1: links to docs/b.md, which is not there',
    ]);
  });
});
