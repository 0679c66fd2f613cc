import * as tf from '@tensorflow/tfjs';
import { webgpuReady } from '../../../src/webgpu.js';
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
  for (const { name, missing, start } of backends) {
    describe(`${title} on ${name}`, () => {
      const reason = missing ?? leftOut[name];
      if (reason !== undefined) {
        it.skip(`SKIPPED: ${reason}`);
        return;
      }
      before(async function () {
        const problem = await start?.();
        if (problem !== undefined) {
          console.log(`SKIPPED ${title} on ${name}: ${problem}`);
          this.skip();
        }
        // tfjs takes another backend where one does not start
        if (!(await tf.setBackend(name))) throw new Error(`The backend ${name} does not start.`);
        await tf.ready();
        await webgpuReady();
      });
      if (name === 'webgpu') failOnGpuErrors();
      body(name);
    });
  }
}

/** The part of a WebGPU backend that tells of shaders that do not compile, and the like. */
interface Device extends EventTarget {
  readonly queue: { onSubmittedWorkDone(): Promise<unknown> };
}

/** tfjs goes on where a program cannot run, with zeros or what the result's memory held. */
function failOnGpuErrors(): void {
  const errors: string[] = [];
  const note = (event: Event) => errors.push((event as GPUUncapturedErrorEvent).error.message);
  let device: Device;

  before(() => {
    device = (tf.backend() as unknown as { device: Device }).device;
    device.addEventListener('uncapturederror', note);
  });

  afterEach(async () => {
    await device.queue.onSubmittedWorkDone();
    const [first] = errors.splice(0);
    if (first !== undefined) throw new Error(`WebGPU: ${first}`);
  });

  after(() => device.removeEventListener('uncapturederror', note));
}
