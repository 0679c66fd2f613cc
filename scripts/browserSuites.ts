/** `npm run test:browser`: the suites in a browser alone. */
import { runInBrowser } from '../test/browser/run.js';
import { count, emptyTally, matrixOf, type Tally } from '../test/harness/tally.js';
import { isMain } from './process.js';
import { provisionBrowser } from './provision/browser.js';

/** Finds or installs a browser and runs the suites in it; where there is none they count as skipped. */
export async function browserSuites(log: (line: string) => void): Promise<Tally> {
  const browser = await provisionBrowser(log);
  if (!browser.available) {
    log(`SKIPPED browser: ${browser.reason}`);
    const tally = emptyTally();
    count(tally, 'browser', 'skipped');
    return tally;
  }
  log(`in ${browser.path}`);
  const tally = await runInBrowser({ executablePath: browser.path, log });
  log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped in the browser`);
  return tally;
}

if (isMain(import.meta.url)) {
  const tally = await browserSuites((line) => console.log(line));
  console.log(matrixOf(tally));
  process.exitCode = tally.failed === 0 ? 0 : 1;
}
