import type { Size } from './describe.js';
import { namesOf, type ResolvedLayout, type ResolvedRegion } from './resolve.js';
import { bytesName, camelCase, constantCase, docText, memberText } from './text.js';

/** A record of kernels. */
export function classText(
  name: string,
  doc: string,
  fields: readonly (readonly [field: string, doc: string])[],
): string {
  const lines = fields.map(([field, about]) => memberText(`${field};`, about));
  return `${docText(doc)}@unmanaged\nexport class ${name} {\n${lines.join('')}}\n`;
}

/** Where the arrays of a layout are, and how many bytes they have. */
export function layoutTexts(layout: ResolvedLayout): string[] {
  const places = layout.pointers ? placeTexts(layout) : offsetTexts(layout);
  return [...places, bytesText(layout)];
}

/** The record of the addresses, and a function that fills it. */
function placeTexts(layout: ResolvedLayout): string[] {
  const { name, doc, regions, headerBytes } = layout;
  const fields = regions.map((region) => [`${region.name}: usize`, region.doc] as const);
  const sized = regions.slice(0, -1);
  const repeated = repeatedSizes(layout, sized);
  const locals = repeated.map((size) => `  const ${size} = <usize>${valueText(layout, size)};\n`);
  const lines = regions.map((region, i) => {
    const before = regions[i - 1];
    const from = before === undefined ? 'at' : `placed.${before.name}`;
    const bytes = before === undefined ? headerBytes : grouped(termText(layout, before, repeated));
    const line = `  placed.${region.name} = ${from} + ${bytes};\n`;
    return line.length <= 101 ? line : line.replace(' = ', ' =\n    ');
  });
  const about = docText('Its arrays, in memory that has its bytes.');
  const parameters = `at: usize, ${parametersText(layout, sized)}`;
  const head = `export function place${name}(${parameters}): ${name} {\n`;
  const cast = `  const placed = changetype<${name}>(at);\n`;
  const body = `${cast}${locals.join('')}${lines.join('')}  return placed;\n`;
  return [classText(name, doc, fields), `${about}${head}${body}}\n`];
}

/** Sizes that are needed more than once. */
function repeatedSizes(
  { sizes }: ResolvedLayout,
  regions: readonly ResolvedRegion[],
): readonly string[] {
  const used = regions.flatMap(({ variables }) => variables);
  return [...sizes.keys()].filter((size) => used.indexOf(size) !== used.lastIndexOf(size));
}

/** Where each array but the first begins: a constant offset, or a function of sizes before it. */
function offsetTexts(layout: ResolvedLayout): string[] {
  const { name, regions } = layout;
  return regions.slice(1).map((region, i) => {
    const before = regions.slice(0, i + 1);
    const about = docText(region.doc);
    if (namesOf(layout, before).length === 0) {
      const offset = before.reduce((sum, { factor }) => sum + factor, 0);
      const constant = `${constantCase(name)}_${constantCase(region.name)}`;
      return `${about}export const ${constant}: usize = ${offset};\n`;
    }
    const called = `${camelCase(name)}${region.name[0]!.toUpperCase()}${region.name.slice(1)}`;
    const parameters = `at: usize, ${parametersText(layout, before)}`;
    const terms = ['at', ...before.map((each) => termText(layout, each))];
    const head = `export function ${called}(${parameters}): usize {\n`;
    return `${about}@inline\n${head}${sumText(terms)}}\n`;
  });
}

/** As TypeScript allocates it. */
function bytesText(layout: ResolvedLayout): string {
  const { name, doc, regions, headerBytes } = layout;
  const about = docText(`Bytes of ${name}. ${doc}`);
  if (namesOf(layout, regions).length === 0) {
    const bytes = regions.reduce((sum, { factor }) => sum + factor, headerBytes);
    return `${about}export const ${bytesName(name)}: usize = ${bytes};\n`;
  }
  const header = headerBytes === 0 ? [] : [`${headerBytes}`];
  const terms = [...header, ...regions.map((region) => termText(layout, region))];
  const parameters = parametersText(layout, regions);
  const head = `export function ${camelCase(name)}Bytes(${parameters}): usize {\n`;
  return `${about}@inline\n${head}${sumText(terms)}}\n`;
}

/** Returns a sum, a term a line where there are many. */
function sumText(terms: readonly string[]): string {
  const [first, ...others] = terms;
  if (others.length === 0) return `  return ${first};\n`;
  const line = `  return ${terms.map(grouped).join(' + ')};\n`;
  return line.length <= 101
    ? line
    : `  return (\n    ${terms.map(grouped).join(' +\n    ')}\n  );\n`;
}

/** A term of a sum: shifts bind less. */
function grouped(term: string): string {
  return term.includes('<<') ? `(${term})` : term;
}

/** `record: Record`, or the parameters that the regions need. */
function parametersText(layout: ResolvedLayout, regions: readonly ResolvedRegion[]): string {
  if (layout.record !== null) return `${camelCase(layout.record)}: ${layout.record}`;
  return namesOf(layout, regions)
    .map((name) => `${name}: i32`)
    .join(', ');
}

/** Bytes of a region; `locals` are sizes that have been computed. */
function termText(
  layout: ResolvedLayout,
  { factor, variables }: ResolvedRegion,
  locals: readonly string[] = [],
): string {
  if (variables.length === 0) return `${factor}`;
  const shift = choiceOfPowers(layout, variables);
  const others = variables.filter((name) => name !== shift?.name);
  if (shift !== undefined && others.length > 0 && isPower(factor)) {
    return `${productText(layout, others, locals)} << ${shift.text(Math.log2(factor))}`;
  }
  const product = productText(layout, variables, locals);
  if (factor === 1) return product;
  return isPower(factor) ? `${product} << ${Math.log2(factor)}` : `${product} * ${factor}`;
}

/** A size that is one of two powers of two: a shift, which the compiler would not see. */
function choiceOfPowers({ sizes, record }: ResolvedLayout, variables: readonly string[]) {
  for (const name of variables) {
    const size = sizes.get(name);
    if (size?.kind !== 'choose') continue;
    const { chosen, otherwise } = size;
    if (typeof chosen === 'string' || typeof otherwise === 'string') continue;
    if (!isPower(chosen) || !isPower(otherwise)) continue;
    const text = (by: number) =>
      sizeText(
        { ...size, chosen: Math.log2(chosen) + by, otherwise: Math.log2(otherwise) + by },
        record,
      );
    return { name, text };
  }
  return undefined;
}

function productText(
  layout: ResolvedLayout,
  variables: readonly string[],
  locals: readonly string[],
): string {
  const factors = variables.map((name) =>
    locals.includes(name) ? name : `<usize>${valueText(layout, name)}`,
  );
  return factors.length === 1 ? factors[0]! : `(${factors.join(' * ')})`;
}

/** A size, a field or a parameter as i32. */
function valueText({ sizes, record }: ResolvedLayout, name: string): string {
  const size = sizes.get(name);
  return size === undefined ? fieldText(record, name) : sizeText(size, record);
}

function fieldText(record: string | null, name: string): string {
  return record === null ? name : `${camelCase(record)}.${name}`;
}

function sizeText(size: Size, record: string | null): string {
  const field = (name: string) => fieldText(record, name);
  switch (size.kind) {
    case 'ceilDiv':
      // signed division by a power of two is more than a shift, which is right for lengths
      return isPower(size.by)
        ? `((${field(size.of)} + ${size.by - 1}) >> ${Math.log2(size.by)})`
        : `((${field(size.of)} + ${size.by - 1}) / ${size.by})`;
    case 'roundUp':
      if (!isPower(size.to)) throw new Error(`The WASM records round up to powers of two only.`);
      return `((${field(size.of)} + ${size.to - 1}) & ~${size.to - 1})`;
    case 'sum':
      return `(${size.of.map(field).join(' + ')})`;
    case 'choose': {
      const [chosen, otherwise] = [size.chosen, size.otherwise].map((part) =>
        typeof part === 'string' ? field(part) : `${part}`,
      );
      const test = size.test === 'zero' ? '=== 0' : `< ${size.test.below}`;
      return `(${field(size.field)} ${test} ? ${chosen} : ${otherwise})`;
    }
    default:
      return size satisfies never;
  }
}

function isPower(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
