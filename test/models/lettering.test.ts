import { expect } from 'chai';
import { LETTER, lettering } from '../../models/lettering.js';

describe('Letters of a sheet', () => {
  const drawn = (text: string) =>
    lettering(text).map((row) => row.map((ink) => (ink ? '#' : '.')).join(''));

  it('are dots, in capitals', () => {
    expect(drawn('w4')).to.deep.equal(['#.#.#.#.', '#.#.#.#.', '###.###.', '###...#.', '#.#...#.']);
  });

  it('are there for all that names of models are made of, each otherwise', () => {
    const all = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-. ';
    const letters = new Set([...all].map((letter) => drawn(letter).join()));
    expect(letters.size).to.equal(all.length);
    expect(lettering(all).length).to.equal(LETTER.height);
    expect(lettering(all)[0]!.length).to.equal(all.length * LETTER.width);
    // a block for what there is no letter for
    expect(drawn('é')).to.deep.equal(Array(5).fill('###.'));
  });
});
