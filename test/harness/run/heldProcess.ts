/**
 * A command that goes on in a process of its own, for `test/src/bin/shared/ownProcess.test.ts`: it
 * tells its heap and its pid, and then ends with the code that it was given, or waits and tells
 * what interrupts it.
 */
import { inOwnProcess, onInterrupt, wantsOwnProcess } from '../../../src/bin/shared/ownProcess.js';

if (wantsOwnProcess()) await inOwnProcess();

const [code] = process.argv.slice(2);
onInterrupt((signal) => {
  process.stdout.write(`${signal}\n`);
  process.exitCode = 130;
  clearInterval(waiting);
});
// interrupted only once it listens
process.stdout.write(`${process.pid} ${process.env.MALLOC_MMAP_THRESHOLD_}\n`);
const waiting = setInterval(() => undefined, 1000);
if (code !== undefined) process.exit(Number(code));
