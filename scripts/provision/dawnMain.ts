/** `npm run provision:dawn`: fetches Dawn, WebGPU outside of browsers. */
import { provisionDawn } from './dawn.js';

const result = await provisionDawn((line) => console.log(line));
if (result.available) console.log(`Dawn is at ${result.path}`);
else console.error(`SKIPPED Dawn: ${result.reason}`);
process.exitCode = result.available ? 0 : 1;
