import { expect } from 'chai';
import { ProgressLine } from '../../../../src/bin/shared/progressLine.js';
import type { Progress } from '../../../../src/index.js';

function at(done: number, name = 'fc1'): Progress {
  return { stage: 'quantize', done, total: 10, name };
}

/** What a line wrote, with a clock that the test turns. */
function watched(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const screen = { isTTY, columns, write: (text: string) => written.push(text) };
  return { written, clock, line: new ProgressLine(screen, () => clock.ms) };
}

describe('The line of progress', () => {
  it('tells on a terminal what is done, what is left, and the time for it', () => {
    const { written, clock, line } = watched(true);
    line.tell(at(1));
    clock.ms = 2000;
    line.tell(at(3));
    expect(written).to.deep.equal([
      '\r\x1b[Kquantizing 1 of 10: fc1',
      '\r\x1b[Kquantizing 3 of 10, 7 s left: fc1',
    ]);
    line.clear();
    line.clear();
    expect(written.slice(2)).to.deep.equal(['\r\x1b[K']);
  });

  it('is drawn ten times a second at most, but always at the end, within its width', () => {
    const { written, clock, line } = watched(true, 20);
    for (let i = 1; i <= 9; i++) {
      clock.ms += 20;
      line.tell(at(i));
    }
    expect(written.length).to.equal(2);
    line.tell(at(10, 'a name that is long'));
    expect(written.at(-1)).to.equal('\r\x1b[Kquantizing 10 of 10');
  });

  it('says nothing of quick work in a log, and of other work a line now and then', () => {
    const { written, clock, line } = watched(false);
    for (let i = 1; i <= 10; i++) line.tell(at(i));
    expect(written).to.deep.equal([]);
    clock.ms = 20_000;
    line.tell({ stage: 'calibrate', done: 3, total: null, name: '' });
    expect(written).to.deep.equal(['calibrating 3\n']);
  });
});
