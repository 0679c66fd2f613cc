import { expect } from 'chai';
import { OPS } from '../../../ops/index.js';
import { ROOT } from '../../../scripts/process.js';
import { type ImportGraph, importGraph } from '../../harness/floors/imports.js';
import { sourcesOf } from '../../harness/floors/sources.js';

/** `ops/<op>/op.ts`: the public op. */
const PUBLIC_OP = /^ops\/(\w+)\/op\.ts$/;

/** The public op, and what a graph model calls it by. */
const CALLER = /^ops\/\w+\/(op|graphOp)\.ts$/;

/** What there is one of for each backend. */
const BACKEND =
  /^ops\/((wasm|webgl|webgpu)\/.*|(?!register)\w+\/(cpu|node|wasm|webgl|webgpu)\w*)\.ts$/;

const sources = sourcesOf(ROOT, ['ops', 'src']);
const graph = importGraph(sources);
const folders = [...sources.keys()].flatMap((file) => PUBLIC_OP.exec(file)?.[1] ?? []);

describe('Contracts of the ops', () => {
  it('every op has a folder with a contract of its own', () => {
    expect(folders).to.have.lengthOf(OPS.length);
    for (const folder of folders) {
      expect([...sources.keys()], folder).to.include(`ops/${folder}/contract.ts`);
    }
  });

  for (const folder of folders) {
    it(`${folder}: kernels, composition, gradient and reference stand on no public op`, () => {
      const files = [...sources.keys()].filter((file) => file.startsWith(`ops/${folder}/`));
      const kernels = files.filter((file) => !CALLER.test(file));
      expect(importersOf(graph, PUBLIC_OP, kernels)).to.deep.equal([]);
    });
  }

  it('src knows no backend, but for threads, WebGPU awaited and recorded, and a search', () => {
    const files = [...sources.keys()].filter((file) => /^src\/(?!plan\/)/.test(file));
    expect(importersOf(graph, BACKEND, files)).to.deep.equal([
      // a module of its own, on whatever backend
      'src/quantize/scaleModule.ts: ops/wasm/instance/binary.ts',
      'src/quantize/scaleModule.ts: ops/wasm/instance/scalesBinary.ts',
      'src/threads.ts: ops/wasm/setThreads.ts',
      'src/threads.ts: ops/wasm/threadedWasm.ts',
      'src/webgpu.ts: ops/webgpu/ready.ts',
      'src/webgpuReady.ts: ops/webgpu/ready.ts',
    ]);
  });

  it('an import of a public op, or of a kernel, would be seen', () => {
    const text = "import {\n  a,\n} from '../x/op.js';\nexport { b } from './wasmPlan.js';\n";
    const probe = importGraph(
      new Map([
        ...['ops/x/op.ts', 'ops/x/graphOp.ts', 'ops/x/cpu.ts'].map((file) => [file, ''] as const),
        ...[['ops/y/wasmPlan.ts', ''] as const, ['ops/y/cpu.ts', text] as const],
      ]),
    );
    expect(importersOf(probe, PUBLIC_OP, ['ops/y/cpu.ts'])).to.deep.equal([
      'ops/y/cpu.ts: ops/x/op.ts',
    ]);
    expect(importersOf(probe, BACKEND, ['ops/y/cpu.ts'])).to.deep.equal([
      'ops/y/cpu.ts: ops/y/wasmPlan.ts',
    ]);
  });
});

/** `file: what it imports` for those that import files of a kind. */
function importersOf(imports: ImportGraph, kind: RegExp, files: readonly string[]): string[] {
  return files.flatMap((file) => {
    const found = imports.get(file)!.files.filter((imported) => kind.test(imported));
    return found.map((imported) => `${file}: ${imported}`);
  });
}
