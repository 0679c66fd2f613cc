import { posix } from 'node:path';
import { parseSync, Visitor } from 'vite';
import { ALIASES } from './order.js';

/** AssemblyScript has them on functions and constants; TypeScript has not. */
const DECORATORS = /^@inline\s/gm;

/** What a file imports, types included: files of the house by their paths, and packages. */
export interface Imports {
  readonly files: readonly string[];
  readonly packages: readonly string[];
}

/** By file, what it imports. */
export type ImportGraph = ReadonlyMap<string, Imports>;

/** What the files of the house, text by path, import. */
export function importGraph(sources: ReadonlyMap<string, string>): ImportGraph {
  const graph = new Map<string, Imports>();
  for (const [file, text] of sources) {
    const files = new Set<string>();
    const packages = new Set<string>();
    for (const name of importedNames(file, text)) {
      const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
      if (alias === undefined && !name.startsWith('.')) packages.add(packageOf(name));
      const found = alias ?? resolved(file, name, sources);
      if (found !== undefined) files.add(found);
    }
    graph.set(file, { files: [...files], packages: [...packages] });
  }
  return graph;
}

/**
 * Modules as a file names them, in the order of kinds: `import … from`, `export … from`,
 * `import('…')`, `import x = require('…')` and, in types, `import('…').T`.
 *
 * @throws Error for text that is not TypeScript.
 */
export function importedNames(file: string, text: string): string[] {
  const { program, errors } = parseSync(file, text.replace(DECORATORS, ''), { lang: 'ts' });
  if (errors.length > 0) throw new Error(`${file}: ${errors.map((e) => e.message).join('; ')}`);
  const names: string[] = [];
  new Visitor({
    ImportDeclaration: ({ source }) => names.push(source.value),
    ExportAllDeclaration: ({ source }) => names.push(source.value),
    ExportNamedDeclaration: ({ source }) => {
      if (source !== null) names.push(source.value);
    },
    ImportExpression: ({ source }) => {
      if (source.type === 'Literal') names.push(`${source.value}`);
    },
    TSImportType: ({ source }) => names.push(source.value),
    TSExternalModuleReference: ({ expression }) => names.push(expression.value),
  }).visit(program);
  return names;
}

/** The file that a relative name stands for; what is no TypeScript of the house is left out. */
function resolved(
  from: string,
  name: string,
  sources: ReadonlyMap<string, string>,
): string | undefined {
  if (!name.startsWith('.')) return undefined;
  const path = posix.join(posix.dirname(from), name);
  // AssemblyScript names its files without an ending
  const candidates = [path.replace(/\.js$/, '.ts'), path, `${path}.ts`, `${path}/index.ts`];
  return candidates.find((candidate) => sources.has(candidate));
}

/** `@scope/name/file` → `@scope/name`. */
function packageOf(name: string): string {
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}
