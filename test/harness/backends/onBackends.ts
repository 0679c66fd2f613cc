import * as tf from '@tensorflow/tfjs';
import { backends } from './backends.js';

/**
 * A describe block per backend, with that backend set; where it is missing, one skipped test that
 * says why.
 *
 * @param leftOut Reasons, by backend, not to run there.
 */
export function describeOnBackends(
  title: string,
  body: (backend: string) => void,
  leftOut: Readonly<Record<string, string>> = {},
): void {
  for (const { name, missing } of backends) {
    describe(`${title} on ${name}`, () => {
      const reason = missing ?? leftOut[name];
      if (reason !== undefined) {
        it.skip(`SKIPPED: ${reason}`);
        return;
      }
      before(async () => {
        // tfjs takes another backend where one does not start
        if (!(await tf.setBackend(name))) throw new Error(`The backend ${name} does not start.`);
        await tf.ready();
      });
      body(name);
    });
  }
}
