import { classText, layoutTexts } from './assemblyLayouts.js';
import type { Constant, Description, Enumeration, RecordDescription } from './describe.js';
import { recordBytes, resolveLayouts } from './resolve.js';
import { bytesName, constantCase, docText } from './text.js';

const HEAD =
  '// written by `npm run build:wasm` from scripts/wasmRecords; ' +
  'a test writes it again and compares\n';

/** The side of the kernels: ops/wasm/assembly/records.ts. */
export function assemblySide(description: Description): string {
  return [
    HEAD,
    ...Object.entries(description.constants).map(constantText),
    ...Object.entries(description.enumerations).map(enumerationText),
    ...Object.entries(description.records).map(recordText),
    ...resolveLayouts(description).flatMap(layoutTexts),
  ].join('\n');
}

function constantText([name, { type, value, doc }]: [string, Constant]): string {
  return `${docText(doc)}export const ${name}: ${type} = ${value};\n`;
}

function enumerationText([name, { values, doc }]: [string, Enumeration]): string {
  const lines = values.map(
    (value, i) => `export const ${name}_${constantCase(value)}: i32 = ${i};\n`,
  );
  return `${docText(doc)}${lines.join('')}`;
}

function recordText([name, record]: [string, RecordDescription]): string {
  const fields = Object.entries(record.fields).map(
    ([field, [type, about]]) => [`${field}: ${type}`, about] as const,
  );
  const bytes = `export const ${bytesName(name)}: usize = ${recordBytes(record)};\n`;
  return `${classText(name, record.doc, fields)}${bytes}`;
}
