import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../scripts/process.js';

/** What is read of package-lock.json. */
interface Lockfile {
  readonly packages: Readonly<Record<string, Locked>>;
}
interface Locked {
  readonly engines?: { readonly node?: string };
  readonly libc?: readonly string[];
}

const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lockfile;
const STATED = numbers(packages['']!.engines!.node!.replace('>=', ''));

describe('The lockfile', () => {
  it('holds no package that is not for the Node that is stated', () => {
    const refusing = Object.entries(packages).filter(
      ([, { engines }]) => !accepts(engines?.node ?? '*', STATED),
    );
    expect(refusing.map(([name]) => name)).to.deep.equal([]);
  });

  it('is as npm 10 writes it too, which knows no "libc"', () => {
    const named = Object.entries(packages).filter(([, { libc }]) => libc !== undefined);
    expect(named.map(([name]) => name)).to.deep.equal([]);
  });

  it('would be seen to hold such', () => {
    for (const range of ['>=22.0.0', '^18 || >=20.20', '^19.0.0', '>= 20.19.1']) {
      expect(accepts(range, [20, 19, 0]), range).to.equal(false);
    }
    for (const range of ['*', '>=20', '^18 || ^20.19.0', '10.* || >= 12.*', '20 || >=22']) {
      expect(accepts(range, [20, 19, 0]), range).to.equal(true);
    }
  });
});

/** Whether a range as packages write it (`>=18`, `^20.19.0 || >=22`) takes a version. */
function accepts(range: string, version: readonly number[]): boolean {
  return range.split('||').some((part) => {
    if (part.trim() === '*') return true;
    const [, sign, least] = /^\s*(>=|\^)?\s*([\d.*x]+)/.exec(part) ?? [];
    if (least === undefined) throw new Error(`a range of versions that is not read: ${range}`);
    const wanted = numbers(least);
    return !isBelow(version, wanted) && (sign === '>=' || version[0] === wanted[0]);
  });
}

function numbers(version: string): number[] {
  return version.split('.').map((part) => Number.parseInt(part, 10) || 0);
}

function isBelow(version: readonly number[], other: readonly number[]): boolean {
  const at = version.findIndex((part, i) => part !== (other[i] ?? 0));
  return at >= 0 && version[at]! < (other[at] ?? 0);
}
