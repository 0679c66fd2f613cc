import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { linksOnNpm } from '../../scripts/pack.js';
import { ROOT } from '../../scripts/process.js';

const ABOUT = { name: 'a-package', version: '1.2.3' };
const BASE = 'https://cdn.jsdelivr.net/npm/a-package@1.2.3/';

describe('Links of the README on npm', () => {
  it('to files and pictures are absolute, others stay', () => {
    const text = '[a](docs/a.md#b) ![c](d.png) [e](https://e.org) [f](#f) `g(h)`';
    const wanted = `[a](${BASE}docs/a.md#b) ![c](${BASE}d.png) [e](https://e.org) [f](#f) \`g(h)\``;
    expect(linksOnNpm(text, ABOUT)).to.equal(wanted);
  });

  it('lead to files that the package holds', () => {
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      files: readonly string[];
    };
    const held = (path: string) =>
      files.some((pattern) => new RegExp(`^${pattern.replace('*', '[^/]+')}(/|$)`).test(path));
    const readme = linksOnNpm(readFileSync(join(ROOT, 'README.md'), 'utf8'), ABOUT);
    const paths = [...readme.matchAll(/\]\(([^)\s#]+)/g)]
      .map(([, target]) => target!)
      .filter((target) => target.startsWith(BASE))
      .map((target) => target.slice(BASE.length));
    expect(paths.length).to.be.above(10);
    expect(paths.filter((path) => !held(path))).to.deep.equal([]);
  });
});
