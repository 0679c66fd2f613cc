import { CONTROL, CONTROL_WORDS, NUMBER, NUMBERS, NUMBERS_OFFSET_BYTES, SPINS } from './control.js';

/**
 * What a worker runs, as text: it must start from a page's Blob and in Node without a file of its
 * own. It is given a `WorkerStart`, says 'ready', and never comes back to its event loop.
 */
export const WORKER_SOURCE = `'use strict';
const node = typeof require === 'function' ? require('node:worker_threads') : null;

function start({ memory, baseline, relaxed, names, control, id }) {
  const instance = (module) => new WebAssembly.Instance(module, { env: { memory } }).exports;
  const found = Object.assign({}, instance(baseline), relaxed === null ? {} : instance(relaxed));
  const kernels = names.map((name) => found[name]);
  const words = new Int32Array(memory.buffer, control, ${CONTROL_WORDS});
  const numbers = new Float64Array(memory.buffer, control + ${NUMBERS_OFFSET_BYTES}, ${NUMBERS});
  let done = Atomics.load(words, ${CONTROL.gate});
  (node === null ? self : node.parentPort).postMessage('ready');
  while (Atomics.load(words, ${CONTROL.stop}) === 0) {
    const gate = Atomics.load(words, ${CONTROL.gate});
    if (gate === done || (gate & 1) === 0) {
      rest(words, gate);
      continue;
    }
    Atomics.add(words, ${CONTROL.active}, 1);
    // the caller may have closed the gate before it could see that this one is here
    if (Atomics.load(words, ${CONTROL.gate}) === gate) work(kernels, words, numbers, id);
    Atomics.sub(words, ${CONTROL.active}, 1);
    Atomics.notify(words, ${CONTROL.active});
    done = gate;
  }
}

function rest(words, gate) {
  for (let i = 0; i < ${SPINS}; i++) {
    if (Atomics.load(words, ${CONTROL.gate}) !== gate) return;
  }
  Atomics.wait(words, ${CONTROL.gate}, gate);
}

function work(kernels, words, numbers, id) {
  try {
    const kernel = kernels[words[${CONTROL.kernel}]];
    const count = words[${CONTROL.count}];
    const chunk = words[${CONTROL.chunk}];
    const behind = ${NUMBER.args} + words[${CONTROL.argCount}];
    const args = Array.from(numbers.subarray(${NUMBER.args}, behind));
    const scratch = numbers[${NUMBER.scratch}] + id * numbers[${NUMBER.scratchStride}];
    for (;;) {
      const begin = Atomics.add(words, ${CONTROL.next}, chunk);
      if (begin >= count) return;
      kernel(...args, scratch, begin, Math.min(begin + chunk, count));
    }
  } catch {
    Atomics.store(words, ${CONTROL.failed}, 1);
  }
}

if (node !== null) start(node.workerData);
else self.onmessage = ({ data }) => start(data);
`;
