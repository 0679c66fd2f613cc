/** The page's worker: tfjs and all that is heavy run here, so that the page never freezes. */
import { turnsByMessages } from '../../../src/worker/turns.js';
import type { Message, Request } from '../shared/protocol.js';
import { backendStates } from './backendStates.js';

turnsByMessages();

const tell = (message: Message) => self.postMessage(message, { transfer: transferred(message) });
let base = '';
const engine = import('./engine.js').then(({ Engine }) => new Engine(() => base, tell));

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  if (data.kind === 'hello') {
    base = data.base;
    tell({ kind: 'ready', backends: await backendStates() });
    return;
  }
  try {
    await (await engine).take(data);
  } catch (error) {
    // the engine answers for what goes wrong in a run: this is about its own code, which could not
    // be fetched, say
    const reason = error instanceof Error ? error.message : error;
    const message = `The page's code could not be loaded: ${reason}`;
    const memory = { numTensors: 0, numBytes: 0, gpuBytes: null };
    tell({ kind: 'end', run: data.run, outcome: { kind: 'failed', message }, memory });
  }
};

/** What moves to the page and is not copied. */
function transferred(message: Message): Transferable[] {
  if (message.kind === 'frame') return message.pictures.map(({ buffer }) => buffer);
  if (message.kind === 'packed') return message.files.map(({ bytes }) => bytes.buffer);
  return [];
}
