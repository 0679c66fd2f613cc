import { posix } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../scripts/process.js';
import { importedNames, importGraph } from './harness/floors/imports.js';
import { FLOORS, HOUSE } from './harness/floors/order.js';
import { complaintsOf, roomOf } from './harness/floors/rules.js';
import { sourcesOf } from './harness/floors/sources.js';

const NONE = { floors: [], circlesOfFiles: [], circlesOfFolders: [] };

/** What names a module, and the names that are read. */
const IMPORTS: readonly [string, string, readonly string[]][] = [
  ['import … from', "import a, { b } from './a.js';", ['./a.js']],
  ['import type … from', "import type { A } from './a.js';", ['./a.js']],
  ['import * as … from', "import * as a\n  from './a.js';", ['./a.js']],
  ['an import for what it does', "import './a.js';", ['./a.js']],
  ['export … from', "export { a, type B } from './a.js';", ['./a.js']],
  ['export * from', "export * from './a.js'; export type * from './b.js';", ['./a.js', './b.js']],
  ['import(…)', "const a = async () => (await import('./a.js')).b;", ['./a.js']],
  [
    'import(…) in a type',
    "type A = import('./a.js').A; let b: typeof import('b');",
    ['./a.js', 'b'],
  ],
  ['import = require(…)', "import a = require('./a.js');", ['./a.js']],
  ['import(…) of what is not written down', 'const a = import(path);', []],
];

/** From a file, may a package be imported? */
const FOREIGN: readonly [string, string, boolean][] = [
  ['ops/common/a.ts', '@tensorflow/tfjs-core', true],
  ['ops/common/a.ts', '@tensorflow/tfjs-core/dist/kernel.js', true],
  ['ops/common/a.ts', '@tensorflow/tfjs-converter', false],
  ['ops/common/a.ts', '@tensorflow/tfjs', false],
  ['ops/fakeQuant/cpu.ts', '@tensorflow/tfjs-backend-cpu', false],
  ['ops/common/a.ts', 'node:fs', false],
  ['src/load/a.ts', '@tensorflow/tfjs-converter', true],
  ['src/report/a.ts', 'vega-lite', true],
  ['src/load/a.ts', '@tensorflow/tfjs-backend-wasm', false],
  ['src/load/a.ts', '@tensorflow/tfjs', false],
  ['src/load/a.ts', 'node:util', false],
  ['src/cli/a.ts', 'node:util', true],
  ['src/cli/a.ts', 'node:fs', false],
  ['models/a.ts', '@tensorflow/tfjs-backend-wasm', true],
  ['test/a.ts', 'chai', true],
];

describe('Floors', () => {
  const sources = sourcesOf(ROOT, HOUSE);

  it('every file imports only from its floor and those below', () => {
    expect(complaintsOf(importGraph(sources)).floors).to.deep.equal([]);
  });

  it('no circle of files or of folders, types included', () => {
    const { circlesOfFiles: files, circlesOfFolders: folders } = complaintsOf(importGraph(sources));
    console.log(`      circles: ${files.length} of files, ${folders.length} of folders`);
    expect([...files, ...folders]).to.deep.equal([]);
  });

  it('every room of the order holds files, so that none is misspelled', () => {
    const rooms = new Set([...sources.keys()].map(roomOf));
    expect(FLOORS.flat().filter((room) => !rooms.has(room))).to.deep.equal([]);
  });
});

describe('What the floors are held by', () => {
  const complaints = (sources: Readonly<Record<string, string>>) =>
    complaintsOf(importGraph(new Map(Object.entries(sources))));

  for (const [fact, module, names] of IMPORTS) {
    it(`${fact} is an import`, () => {
      expect(importedNames('a.ts', module)).to.deep.equal(names);
    });
  }

  it('what only looks like an import is none', () => {
    const text = `// import './a.js';\n/* export * from './b.js' */\nconst c = "import './c.js'";`;
    expect(importedNames('a.ts', text)).to.deep.equal([]);
  });

  it('what cannot be read is an error with the name of the file', () => {
    expect(() => importedNames('src/a.ts', 'import {')).to.throw('src/a.ts: ');
  });

  it('downwards is right, from floor to floor and to other folders of a room', () => {
    const right = {
      'ops/wasm/kernel.ts': "import { a } from './instance/a.js';",
      'ops/wasm/instance/a.ts': "import { b } from '../../common/b.js';",
      'ops/common/b.ts': "import { add } from '@tensorflow/tfjs-core';",
      'src/index.ts': "export { c } from './graph/c.js';",
      'src/graph/c.ts': "import '../../ops/wasm/kernel.js'; import '@tensorflow/tfjs-converter';",
      'models/d.ts': "import * as all from 'tfjs-hadanorm'; import 'node:fs';",
      'models/research/e.ts': "import '../d.js';",
      'test/models/research/e.test.ts': "import '../../../models/research/e.js';",
    };
    expect(complaints(right)).to.deep.equal(NONE);
  });

  for (const [above, below] of FLOORS.slice(1).map((floor, i) => [floor, FLOORS[i]!] as const)) {
    it(`${below.join(', ')} must not import ${above.join(', ')}`, () => {
      for (const upper of above) {
        for (const lower of below) {
          const [from, to] = [fileIn(lower, 'from'), fileIn(upper, 'to')];
          const { floors } = complaints({
            [from]: `import type { A } from '${path(from, to)}';`,
            [to]: '',
          });
          expect(floors).to.deep.equal([
            `${from} imports ${to}: ${lower} stands below ${upper}; move what both need to a ` +
              `floor below ${lower}, or ${from} up to one above ${upper}.`,
          ]);
        }
      }
    });
  }

  it('rooms side by side import nothing of each other', () => {
    const { floors } = complaints({
      'ops/webgl/a.ts': "import '../wasm/b.js';",
      'ops/wasm/b.ts': '',
    });
    expect(floors).to.deep.equal([
      'ops/webgl/a.ts imports ops/wasm/b.ts: ops/webgl stands beside ops/wasm; move what both ' +
        'need to a floor below ops/webgl, or ops/webgl/a.ts up to one above ops/wasm.',
    ]);
  });

  it('the package by its name stands where its index does', () => {
    const { floors } = complaints({
      'src/rewrite/a.ts': "import { rewriteGraph } from 'tfjs-hadanorm';",
      'src/index.ts': '',
    });
    expect(floors).to.have.length(1);
    expect(floors[0]).to.include('src/rewrite/a.ts imports src/index.ts: ');
  });

  it('research is for itself and its tests', () => {
    for (const from of ['examples/a.ts', 'examples/a.ts', 'test/e2e/a.test.ts']) {
      const to = 'models/research/b.ts';
      const { floors } = complaints({ [from]: `export * from '${path(from, to)}';`, [to]: '' });
      expect(floors).to.deep.equal([
        `${from} imports ${to}: models/research is for itself and its tests; move what ${from} ` +
          `needs to models or src, or ${from} to test/models/research.`,
      ]);
    }
  });

  for (const [from, name, allowed] of FOREIGN) {
    it(`${from} ${allowed ? 'may' : 'must not'} import ${name}`, () => {
      const { floors } = complaints({ [from]: `const a = await import('${name}');` });
      expect(floors).to.have.length(allowed ? 0 : 1);
      if (!allowed) expect(floors[0]).to.match(/^\S+ imports \S+: \S+ may import only .*pass in/);
    });
  }

  it('what runs in browsers reaches no module of Node', () => {
    const { floors } = complaints({
      'examples/browser/page/main.ts': "import '../../../src/cli/a.js';",
      'src/cli/a.ts': "export * from './b.js';",
      'src/cli/b.ts': "import 'node:util';",
    });
    expect(floors).to.deep.equal([
      'examples/browser/page/main.ts imports src/cli/a.ts imports src/cli/b.ts imports ' +
        'node:util: examples/browser/page/main.ts runs in browsers; move what it needs to a ' +
        'file without node:util.',
    ]);
  });

  it('a test stands as what it tests, a helper in the harness', () => {
    const right = { 'src/graph/a.ts': '', 'test/src/graph/a.test.ts': '', 'test/e2e/b.ts': '' };
    expect(complaints(right)).to.deep.equal(NONE);
    const wrong = { 'test/src/graphs/a.test.ts': '', 'test/ops/common/kit.ts': '' };
    expect(complaints({ ...right, ...wrong }).floors).to.deep.equal([
      'test/src/graphs/a.test.ts tests src/graphs, where nothing is: move it as what it tests ' +
        'was moved.',
      'test/ops/common/kit.ts is no test: move it to test/harness.',
    ]);
  });

  it('a folder that the order does not know is said', () => {
    expect(complaints({ 'src/attic/a.ts': '' }).floors).to.deep.equal([
      'src/attic/a.ts stands on no floor: move it into a room of test/harness/floors/order.ts, ' +
        'or give its folder a place there.',
    ]);
  });

  it('a circle of files is said with all that are on it, the shortest where there are more', () => {
    const { circlesOfFiles, circlesOfFolders, floors } = complaints({
      'src/graph/a.ts': "import type { B } from './b.js';",
      'src/graph/b.ts': "import './c.js'; import './d.js';",
      'src/graph/c.ts': "import './d.js';",
      'src/graph/d.ts': "type A = import('./a.js').A;",
    });
    expect(floors.concat(circlesOfFolders)).to.deep.equal([]);
    expect(circlesOfFiles).to.deep.equal([
      'src/graph/a.ts imports src/graph/b.ts imports src/graph/d.ts imports src/graph/a.ts: ' +
        'move what they share into a file that both import.',
    ]);
  });

  it('a circle of folders is said with the files that tie them', () => {
    const { circlesOfFiles, circlesOfFolders } = complaints({
      'ops/one/a.ts': "import '../two/b.js';",
      'ops/two/b.ts': '',
      'ops/two/c.ts': "import '../one/d.js';",
      'ops/one/d.ts': '',
    });
    expect(circlesOfFiles).to.deep.equal([]);
    expect(circlesOfFolders).to.deep.equal([
      'ops/one/a.ts imports ops/two/b.ts, ops/two/c.ts imports ops/one/d.ts: one of the folders ' +
        'has to do without the other; move a file.',
    ]);
  });
});

/** A file that stands in a room. */
function fileIn(room: string, name: string): string {
  return room.endsWith('/*.ts')
    ? room.replace('*', name)
    : `${room.replace('*', 'some')}/${name}.ts`;
}

/** How one file names another. */
function path(from: string, to: string): string {
  const relative = posix.relative(posix.dirname(from), to).replace(/\.ts$/, '.js');
  return relative.startsWith('.') ? relative : `./${relative}`;
}
