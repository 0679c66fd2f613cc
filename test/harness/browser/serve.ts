import { createServer, type IncomingMessage, type Server } from 'node:http';

/** What a path gives; it rejects where there is nothing. */
export type Answer = (
  path: string,
  request: IncomingMessage,
) => Promise<[type: string, body: string | Uint8Array]>;

/**
 * Serves on a free port of this machine, cross-origin isolated: WASM threads want it, and clocks
 * finer than 0.1 ms.
 */
export async function serveIsolated(answer: Answer): Promise<Server> {
  const server = createServer((request, response) => {
    const headers = {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    };
    answer(request.url ?? '', request).then(
      ([type, body]) => response.writeHead(200, { ...headers, 'content-type': type }).end(body),
      (error: Error) => response.writeHead(404, headers).end(error.message),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
