import type { Constant, Description, Enumeration, RecordDescription, Size } from './describe.js';
import {
  namesOf,
  type ResolvedLayout,
  type ResolvedRegion,
  recordBytes,
  resolveLayouts,
} from './resolve.js';
import { bytesName, camelCase, docText, memberText } from './text.js';

const ORIGIN = 'written by `npm run build:wasm` from scripts/wasmRecords';

const HEAD = `// ${ORIGIN}; a test writes it again and compares
import type { WasmModule } from './module.js';
import { word } from './word.js';

/** What a writer needs of a module. */
type Scratch = Pick<WasmModule, 'memory' | 'scratch'>;

/** An object with these fields and no others. */
type Only<Fields, Given extends Fields> = Given &
  Readonly<Record<Exclude<keyof Given, keyof Fields>, never>>;
`;

/** The side of ops: ops/wasm/records.ts, as the formatter would have it. */
export function typescriptSide(description: Description): string {
  return [
    HEAD,
    ...Object.entries(description.constants).flatMap(constantText),
    ...Object.entries(description.enumerations).map(enumerationText),
    ...Object.entries(description.records).map(recordText),
    ...resolveLayouts(description).map(layoutText),
  ].join('\n');
}

function constantText([name, { value, doc, sides }]: [string, Constant]): string[] {
  return sides === 'both' ? [`${docText(doc)}export const ${name} = ${value};\n`] : [];
}

function enumerationText([name, { values, doc }]: [string, Enumeration]): string {
  const entries = values.map((value, i) => `${value}: ${i}`).join(', ');
  return `${docText(doc)}export const ${name} = { ${entries} } as const;\n`;
}

function recordText([name, record]: [string, RecordDescription]): string {
  const about = docText(`Bytes of ${name}.`);
  const bytes = `${about}export const ${bytesName(name)} = ${recordBytes(record)};\n`;
  switch (record.written) {
    case 'assembly':
      return bytes;
    case 'table':
      return [bytes, interfaceText(name, record), putText(name, record)].join('\n');
    case 'scratch':
      return [bytes, interfaceText(name, record), putText(name, record), writeText(name)].join(
        '\n',
      );
    default:
      return record.written satisfies never;
  }
}

function interfaceText(name: string, { doc, fields }: RecordDescription): string {
  const lines = Object.entries(fields).map(([field, [, about]]) =>
    memberText(`readonly ${field}: number;`, about),
  );
  return `${docText(doc)}export interface ${name} {\n${lines.join('')}}\n`;
}

function putText(name: string, { fields }: RecordDescription): string {
  const lines = Object.entries(fields).map(([field, [type]], i) => {
    const to = `at${i === 0 ? '' : ` + ${4 * i}`}`;
    if (type === 'f32') return `  view.setFloat32(${to}, fields.${field}, true);\n`;
    return `  view.setInt32(${to}, word('${field}', fields.${field}), true);\n`;
  });
  return `${docText(`Writes ${name} at byte \`at\`.`)}${signature(
    `put${name}<T extends ${name}>`,
    ['view: DataView', 'at: number', `fields: Only<${name}, T>`],
    'void',
  )}${lines.join('')}}\n`;
}

function writeText(name: string): string {
  return `${docText(`Writes ${name} to scratch memory of the call; gives its address.`)}${signature(
    `write${name}<T extends ${name}>`,
    ['module: Scratch', `fields: Only<${name}, T>`],
    'number',
  )}  const at = module.scratch(${bytesName(name)});
  put${name}(new DataView(module.memory.buffer), at, fields);
  return at;
}
`;
}

function layoutText(layout: ResolvedLayout): string {
  const { name, doc, record, regions, headerBytes, sizes } = layout;
  const about = docText(`Bytes of ${name}. ${doc}`);
  const names = namesOf(layout, regions);
  if (names.length === 0) {
    const bytes = regions.reduce((sum, { factor }) => sum + factor, headerBytes);
    return `${about}export const ${bytesName(name)} = ${bytes};\n`;
  }
  const parameters =
    record === null ? names.map((each) => `${each}: number`) : [`fields: ${record}`];
  const locals = [...sizes].map(([size, what]) => `  const ${size} = ${sizeText(what)};\n`);
  const unpacked = record === null ? '' : unpackText(names);
  const body = unpacked + locals.join('') + sumText(regions, headerBytes);
  return `${about}${signature(`${camelCase(name)}Bytes`, parameters, 'number')}${body}}\n`;
}

/** As the formatter breaks it. */
function unpackText(names: readonly string[]): string {
  const line = `  const { ${names.join(', ')} } =`;
  if (line.length <= 92) return `${line} fields;\n`;
  if (line.length <= 100) return `${line}\n    fields;\n`;
  return `  const {\n${names.map((name) => `    ${name},\n`).join('')}  } = fields;\n`;
}

function sumText(regions: readonly ResolvedRegion[], headerBytes: number): string {
  const terms = regions.map(termText);
  if (terms.length === 1 && headerBytes === 0) return `  return ${terms[0]};\n`;
  const first = headerBytes === 0 ? terms.shift()! : `${headerBytes}`;
  const more = terms.map((term) => `  bytes += ${term};\n`);
  return `  let bytes = ${first};\n${more.join('')}  return bytes;\n`;
}

function termText({ factor, variables }: ResolvedRegion): string {
  return [...(factor === 1 && variables.length > 0 ? [] : [factor]), ...variables].join(' * ');
}

function sizeText(size: Size): string {
  switch (size.kind) {
    case 'ceilDiv':
      return `Math.ceil(${size.of} / ${size.by})`;
    case 'roundUp':
      return `${size.to} * Math.ceil(${size.of} / ${size.to})`;
    case 'sum':
      return size.of.join(' + ');
    case 'choose': {
      const test = size.test === 'zero' ? '=== 0' : `< ${size.test.below}`;
      return `${size.field} ${test} ? ${size.chosen} : ${size.otherwise}`;
    }
    default:
      return size satisfies never;
  }
}

/** The head of an exported function, in one line where it fits. */
function signature(name: string, parameters: readonly string[], result: string): string {
  const line = `export function ${name}(${parameters.join(', ')}): ${result} {\n`;
  if (line.length <= 101) return line;
  const lines = parameters.map((parameter) => `  ${parameter},\n`).join('');
  return `export function ${name}(\n${lines}): ${result} {\n`;
}
