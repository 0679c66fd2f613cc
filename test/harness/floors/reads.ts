import { parseSync, Visitor } from 'vite';

/** The door to tensors' values, which says where a device is lost, and what it is made of. */
export const DOOR = 'ops/common/alive.ts';
const DOORS = new Set([
  DOOR,
  ...['guard', 'kernel', 'watch'].map((name) => `ops/common/${name}.ts`),
]);

/** Kernels: they run behind the door, and read by the backend's own guarded `readSync`. */
const KERNEL = /^ops\/(webgl|webgpu|wasm|\w+\/(cpu|node|wasm|webgl|webgpu))/;

/** Names of tfjs that read a tensor wherever they stand. */
const READS = new Set(
  'dataSync arraySync bufferSync readSync readToGPU dataToGPU toPixels'.split(' '),
);
/** Those that read a tensor where they are called; elsewhere they are fields of other things. */
const CALLED = new Set(['data', 'array', 'buffer', 'print']);
/** Functions of tfjs that read what they are given. */
const IMPORTED = new Set(['whereAsync', 'booleanMaskAsync', 'setdiff1dAsync', 'print', 'browser']);

/** Reads of tensors by another way than the door, each with its line and the way out. */
export function readsOf(file: string, text: string): string[] {
  if (DOORS.has(file) || KERNEL.test(file)) return [];
  const found: [at: number, name: string][] = [];
  new Visitor({
    MemberExpression: ({ property }) => {
      if (property.type === 'Identifier' && READS.has(property.name)) {
        found.push([property.start, property.name]);
      }
    },
    CallExpression: ({ callee }) => {
      if (callee.type !== 'MemberExpression') return;
      const { property } = callee;
      if (property.type === 'Identifier' && CALLED.has(property.name)) {
        found.push([property.start, property.name]);
      }
    },
    ObjectPattern: ({ properties }) => {
      for (const property of properties) {
        if (property.type !== 'Property' || property.key.type !== 'Identifier') continue;
        if (READS.has(property.key.name)) found.push([property.start, property.key.name]);
      }
    },
    ImportDeclaration: ({ source, specifiers }) => {
      if (!source.value.startsWith('@tensorflow/')) return;
      for (const { local, type } of specifiers) {
        if (type === 'ImportSpecifier' && IMPORTED.has(local.name)) {
          found.push([local.start, local.name]);
        }
      }
    },
  }).visit(parseSync(file, text, { lang: 'ts' }).program);
  return found.map(([at, name]) => {
    const line = text.slice(0, at).split('\n').length;
    return `${file}:${line} reads a tensor by ${name}; valuesOf and fetchValues of ${DOOR} do.`;
  });
}
