import * as tf from '@tensorflow/tfjs';

/** A backend that the suites run on; `missing` says why it cannot run here, undefined that it can. */
export interface BackendUnderTest {
  readonly name: string;
  readonly missing?: string;
}

/** A describe block per backend, with that backend set; where it is missing, one skipped test that says why. */
export function describeOn(
  backends: readonly BackendUnderTest[],
  title: string,
  body: (backend: string) => void,
): void {
  for (const { name, missing } of backends) {
    describe(`${title} on ${name}`, () => {
      if (missing !== undefined) {
        it.skip(`SKIPPED: ${missing}`);
        return;
      }
      before(async () => {
        await tf.setBackend(name);
        await tf.ready();
      });
      body(name);
    });
  }
}
