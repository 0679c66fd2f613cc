/** What a page runs, and the server that it is loaded from. */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, Server } from 'node:http';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { build } from 'esbuild';
import { ROOT } from '../../../scripts/process.js';
import { PAGE_BUILD } from './pageBuild.js';
import type { PageEvent } from './pageEvent.js';
import { type Answer, serveIsolated } from './serve.js';

/** Files that are others in a page: x.ts is x.browser.ts there. */
const REPLACED = /\/(backends|trained)\.js$/;
const FOLDERS: Readonly<Record<string, string>> = { backends: 'backends', trained: 'models' };

const HTML = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<div id="mocha"></div>
<script>
// where nobody drives the page, it tells the server when all have run
const events = [];
globalThis.tellDriver ??= (event) => {
  events.push(event);
  if (event.kind === 'end') fetch('/told', { method: 'POST', body: JSON.stringify(events) });
};
</script>
<script src="/mocha.js"></script><script>mocha.setup({ ui: 'bdd', timeout: 60000 });</script>
<script type="module" src="suites.js"></script>`;

/** One script that holds the suites of these files and runs them. */
export async function bundle(files: readonly string[]): Promise<Uint8Array> {
  const statements = [
    ...files.map((file) => `import './${file}';`),
    "import { runInPage } from './test/harness/browser/page.js';",
    'runInPage();',
  ];
  const { outputFiles } = await build({
    stdin: {
      contents: statements.join('\n'),
      resolveDir: ROOT,
    },
    ...PAGE_BUILD,
    plugins: [
      {
        name: 'files of the browser',
        setup({ onResolve }) {
          onResolve({ filter: REPLACED }, ({ path }) => {
            const [, name] = REPLACED.exec(path)!;
            return { path: join(ROOT, 'test', 'harness', FOLDERS[name!]!, `${name}.browser.ts`) };
          });
        },
      },
    ],
  });
  return outputFiles[0]!.contents;
}

/**
 * Serves pages cross-origin isolated, as WASM threads want it: at /page/NAME/ one for each of
 * `scripts`; the files of tfjs-backend-wasm, of models/ and of test/fixtures/; whatever a page has
 * PUT under /kept/, to all pages.
 *
 * @param told Called with what a page tells that nobody drives.
 */
export function servePages(
  scripts: ReadonlyMap<string, Uint8Array>,
  told: (events: PageEvent[]) => void = () => {},
): Promise<Server> {
  const modules = join(ROOT, 'node_modules');
  const wasm = join(modules, '@tensorflow', 'tfjs-backend-wasm', 'dist');
  const kept = new Map<string, Uint8Array>();
  const answer: Answer = async (url, request) => {
    const { pathname } = new URL(url, 'http://localhost');
    if (pathname === '/mocha.js') return file(join(modules, 'mocha', 'mocha.js'));
    if (pathname === '/told') {
      told(JSON.parse(await text(request)) as PageEvent[]);
      return ['text/plain', ''];
    }
    const [, folder, path = ''] = /^\/(\w+)\/([\w./-]+)$/.exec(pathname) ?? [];
    if (folder === 'page') return part(scripts, path);
    if (folder === 'kept') return keep(kept, path, request);
    if (folder === 'wasm') return file(join(wasm, path));
    if (folder === 'models') return file(join(ROOT, 'models', path));
    if (folder === 'fixtures') return file(join(ROOT, 'test', 'fixtures', path));
    throw new Error(`there is no ${pathname}`);
  };
  return serveIsolated(answer);
}

/** A page, or its script. */
async function part(scripts: ReadonlyMap<string, Uint8Array>, path: string): ReturnType<Answer> {
  const [name = '', asked] = path.split('/');
  const script = scripts.get(name);
  if (script === undefined) throw new Error(`there is no page ${name}`);
  return asked === 'suites.js' ? [typeOf(asked), script] : ['text/html', HTML];
}

async function keep(
  kept: Map<string, Uint8Array>,
  path: string,
  request: IncomingMessage,
): ReturnType<Answer> {
  if (request.method === 'PUT') kept.set(path, await buffer(request));
  const bytes = kept.get(path);
  if (bytes === undefined) throw new Error(`no page has kept ${path}`);
  return request.method === 'PUT' ? ['text/plain', ''] : [typeOf(path), bytes];
}

async function file(path: string): ReturnType<Answer> {
  return [typeOf(path), await readFile(path)];
}

function typeOf(path: string): string {
  if (path.endsWith('.wasm')) return 'application/wasm';
  if (path.endsWith('.js')) return 'text/javascript';
  return path.endsWith('.json') ? 'application/json' : 'application/octet-stream';
}
