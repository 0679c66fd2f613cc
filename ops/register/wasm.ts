import './wasmKernels.js';
import * as binaries from '../wasm/instance/binaries.js';
import { provideCode } from '../wasm/instance/code.js';

provideCode(binaries);
