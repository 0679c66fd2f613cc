import { expose, transfer } from 'comlink';
import type { Exposed } from './protocol.js';
import { turnsByMessages } from './turns.js';

/** What does the work, and what of its results moves to the page. */
export interface ServiceModule {
  readonly Service: new () => Exposed;
  readonly transferred: (result: unknown) => ArrayBuffer[];
}

/** Exposes the service to the page, once it is loaded and set up; calls wait until then. */
export function serveBy(load: () => Promise<ServiceModule>, setup: () => unknown): void {
  turnsByMessages();
  const begun = Promise.resolve()
    .then(setup)
    .then(load)
    .then(({ Service, transferred }) => ({ service: new Service(), transferred }));
  // whoever calls is told
  begun.catch(() => {});
  const exposed: Exposed = {
    call: async (...given) => {
      const { service, transferred } = await begun;
      const result = await service.call(...given);
      // comlink keeps what moves by the object
      const moves = typeof result === 'object' && result !== null;
      return moves ? transfer(result, transferred(result)) : result;
    },
    abort: async (id) => (await begun).service.abort(id),
  };
  expose(exposed);
}
