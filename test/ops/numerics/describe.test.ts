import { expect } from 'chai';
import { describe as shown } from '../../../ops/numerics/errors.js';

describe('A value in an error message', () => {
  it('is told whatever it is, also when it throws as it is read', () => {
    const trap = () => {
      throw new Error('trap');
    };
    const hostile = new Proxy({}, { get: trap, ownKeys: trap, has: trap, getPrototypeOf: trap });
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    const cases: readonly [unknown, string][] = [
      [1n, '1n'],
      [Symbol('s'), 'Symbol(s)'],
      [hostile, 'an object that cannot be read'],
      [proxy, 'an object that cannot be read'],
      [[1, hostile], '[1, an object that cannot be read]'],
    ];
    for (const [value, text] of cases) expect(shown(value)).to.equal(text);
  });
});
