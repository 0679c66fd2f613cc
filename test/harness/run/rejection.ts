import { expect } from 'chai';

/** The error that a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  let error: unknown;
  try {
    await promise;
  } catch (thrown) {
    error = thrown;
  }
  expect(error, 'what it was rejected with').to.be.instanceOf(Error);
  return error as Error;
}
