import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../scripts/process.js';
import { codeBlocks } from '../harness/run/codeBlocks.js';
import { UserProject } from '../harness/run/userProject.js';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const [CODE] = codeBlocks(README) as [string];

/** What a line of code says, without comments and empty lines. */
const STATEMENTS = CODE.split('\n').filter((line) => line !== '' && !line.startsWith('//'));

describe('The first code of the README', () => {
  it('takes two commands and ten lines besides its imports', () => {
    const work = STATEMENTS.filter((line) => !line.startsWith('import '));
    expect(work.length).to.be.at.most(10);
  });

  it('imports what its npm install line names, and nothing else', () => {
    const [, line] = /^npm install (tfjs-hadanorm .*)$/m.exec(README)!;
    const packageOf = (name: string) => name.split('/', name.startsWith('@') ? 2 : 1).join('/');
    const names = /^import .*'(.*)';$|import\.meta\.resolve\('(.*)'\)/gm;
    const imported = [...CODE.matchAll(names)].map(([, name, file]) => packageOf(name ?? file!));
    expect([...new Set(imported)].sort()).to.deep.equal(line!.split(' ').sort());
  });

  it('runs in an empty folder with what npm packs: quantizes, saves, loads, samples', () => {
    const project = new UserProject();
    try {
      project.link('@tensorflow/tfjs-backend-wasm');
      project.link('tfjs-hadanorm-avatars-nano');
      const shown = `
        if (!pictures.dataSync().every(Number.isFinite)) throw new Error('not finite');
        console.log(pictures.shape.join(), report.linears.length);`;
      const { stdout, stderr } = project.run('start.mjs', CODE + shown);
      expect(stderr).to.equal('');
      const [bytes, shape] = stdout.trim().split('\n');
      expect(shape).to.equal('4,32,32,3 35');
      const [before, after] = bytes!.match(/\d+/g)!.map((text) => Number(text) / 1e6);
      expect([before!.toFixed(1), after!.toFixed(1)]).to.deep.equal(['16.8', '3.2']);
    } finally {
      project.remove();
    }
  });
});
