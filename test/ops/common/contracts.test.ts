import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { OPS } from '../../../ops/index.js';
import { ROOT } from '../../../scripts/process.js';

/** The public op, and what a graph model calls it by. */
const CALLERS = ['op.ts', 'graphOp.ts'];

const FOLDERS = readdirSync(join(ROOT, 'ops')).filter((folder) =>
  existsSync(join(ROOT, 'ops', folder, 'op.ts')),
);

describe('Contracts of the ops', () => {
  it('every op has a folder with a contract of its own', () => {
    expect(FOLDERS).to.have.lengthOf(OPS.length);
    for (const folder of FOLDERS) {
      expect(readdirSync(join(ROOT, 'ops', folder)), folder).to.include('contract.ts');
    }
  });

  for (const folder of FOLDERS) {
    it(`${folder}: kernels, composition, gradient and reference stand on no public op`, () => {
      for (const file of readdirSync(join(ROOT, 'ops', folder))) {
        if (CALLERS.includes(file)) continue;
        const source = readFileSync(join(ROOT, 'ops', folder, file), 'utf8');
        expect(importsOf(source).filter(isPublicOp), file).to.deep.equal([]);
      }
    });
  }

  it('an import of a public op would be seen', () => {
    const source = "import {\n  a,\n} from '../x/op.js';\nexport { b } from './op.js';\n";
    expect(importsOf(source).filter(isPublicOp)).to.deep.equal(['../x/op.js', './op.js']);
    expect(isPublicOp('./graphOp.js')).to.equal(false);
  });
});

function importsOf(source: string): string[] {
  return [...source.matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)].map(
    ([, from, dynamic]) => (from ?? dynamic)!,
  );
}

function isPublicOp(module: string): boolean {
  return module.endsWith('/op.js');
}
