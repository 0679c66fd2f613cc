import { expect } from 'chai';
import { BoundedMap } from '../../../ops/numerics/boundedMap.js';

describe('A bounded map', () => {
  it('drops what was not used for longest, once, and tells what it dropped', () => {
    const dropped: number[] = [];
    const map = new BoundedMap<string, number>(
      10,
      (value) => value,
      (value) => dropped.push(value),
    );
    map.get('a', () => 4);
    map.get('b', () => 5);
    map.get('a', () => 0);
    expect(map.get('c', () => 6)).to.equal(6);
    expect(dropped).to.deep.equal([5]);
    expect(map.get('a', () => 0)).to.equal(4);
    expect(map.size).to.equal(2);
  });

  it('keeps the order of use where keys are asked for in turn', () => {
    const map = new BoundedMap<string, number>(2);
    const made: string[] = [];
    const ask = (key: string) => map.get(key, () => made.push(key));
    for (const key of ['a', 'b', 'b', 'a', 'b', 'c', 'b', 'a']) ask(key);
    expect(made).to.deep.equal(['a', 'b', 'c', 'a']);
  });

  it('shows an entry without using it', () => {
    const map = new BoundedMap<string, number>(2);
    map.get('a', () => 1);
    map.get('b', () => 2);
    expect(map.peek('a')).to.equal(1);
    map.get('c', () => 3);
    expect(map.peek('a')).to.equal(undefined);
    expect(map.peek('b')).to.equal(2);
  });
});
