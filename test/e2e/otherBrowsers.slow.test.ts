import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { OTHER_BROWSERS } from '../harness/browser/others.js';
import type { PageEvent } from '../harness/browser/pageEvent.js';
import { bundle, servePages } from '../harness/browser/pages.js';

/** The ops' case tables; what else there is of WASM does not depend on the browser's maker. */
const TABLES = [
  'test/ops/hadamardTransform/hadamardTransform.test.ts',
  'test/ops/channelCenter/channelCenter.test.ts',
  'test/ops/fakeQuant/fakeQuant.test.ts',
  'test/ops/quantizedMatMul/quantizedMatMul.test.ts',
  'test/ops/hadaNormQuantize/hadaNormQuantize.test.ts',
  'test/ops/scaledDotProductAttention/scaledDotProductAttention.test.ts',
  'test/ops/modulatedLayerNorm/modulatedLayerNorm.test.ts',
];

describe('The WASM kernels in other browsers', () => {
  let server: Server | undefined;
  let tell: (events: PageEvent[]) => void = () => {};
  const some = OTHER_BROWSERS.some(({ missing }) => missing === null);

  before(async () => {
    if (!some) return;
    const scripts = new Map([['tables', await bundle(TABLES)]]);
    server = await servePages(scripts, (events) => tell(events));
  });
  after(() => {
    server?.close();
  });

  for (const { name, missing, open } of OTHER_BROWSERS) {
    if (missing !== null) {
      it.skip(`SKIPPED: ${missing}`);
      continue;
    }
    it(`${name}: all cases of the ops' tables`, async () => {
      const told = new Promise<PageEvent[]>((resolve) => {
        tell = resolve;
      });
      const { port } = server!.address() as AddressInfo;
      const close = open(`http://127.0.0.1:${port}/page/tables/?backends=wasm`);
      try {
        const events = await told;
        const of = (kind: PageEvent['kind']) => events.filter((event) => event.kind === kind);
        expect(of('failed')).to.deep.equal([]);
        console.log(`      ${name}: ${of('passed').length} cases`);
        expect(of('passed').length).to.be.above(200);
      } finally {
        await close();
      }
    });
  }
});
