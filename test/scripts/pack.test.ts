import { spawnSync } from 'node:child_process';
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

describe('What npm packs', () => {
  it('of the trial model is a package of its files alone', () => {
    const folder = join(ROOT, 'models', 'avatars-nano');
    const args = ['pack', '--json', '--dry-run', '--ignore-scripts'];
    const shell = process.platform === 'win32';
    const { stdout } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8', shell });
    const [{ files }] = JSON.parse(stdout) as [{ files: readonly { readonly path: string }[] }];
    expect(files.map(({ path }) => path).sort()).to.deep.equal([
      'LICENSE',
      'README.md',
      'group1-shard1of2.bin',
      'group1-shard2of2.bin',
      'model.json',
      'package.json',
    ]);
  });

  it('of this package is nothing without npm run pack, which builds it', () => {
    const shell = process.platform === 'win32';
    const { status, stderr } = spawnSync('npm', ['pack'], { cwd: ROOT, encoding: 'utf8', shell });
    expect(status).to.not.equal(0);
    expect(stderr).to.include('use-npm-run-pack-instead');
  });
});
