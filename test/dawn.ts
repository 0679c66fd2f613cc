/**
 * `npm run test:dawn [-- FILE…]`: the suites on WebGPU in Node, by Dawn, which it fetches. `npm
 * test` has WebGPU in the browser, and this would be the same kernels once more: half an hour on a
 * GPU in software.
 */
import { runScript } from '../scripts/process.js';
import { provisionDawn } from '../scripts/provision/dawn.js';

const files = process.argv.slice(2);
const dawn = await provisionDawn((line) => console.log(line));
if (dawn.available) {
  const args = [...(files.length > 0 ? files : ['test/**/*.test.ts']), '--grep', 'webgpu'];
  process.exitCode = await runScript('mocha/bin/mocha.js', args, {
    env: { DAWN_NODE: dawn.path },
  });
} else {
  console.error(`SKIPPED Dawn: ${dawn.reason}`);
  process.exitCode = 1;
}
