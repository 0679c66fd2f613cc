import {
  type Description,
  ELEMENT_BYTES,
  type ElementType,
  type Layout,
  type RecordDescription,
  type Size,
} from './describe.js';
import { bytesName } from './text.js';

/** A layout whose names have been looked up. */
export interface ResolvedLayout {
  readonly name: string;
  readonly doc: string;
  /** The record that its sizes follow from; null where it has parameters. */
  readonly record: string | null;
  readonly pointers: boolean;
  /** Bytes of the pointers, so many that the first array begins at a multiple of 16. */
  readonly headerBytes: number;
  readonly sizes: ReadonlyMap<string, Size>;
  readonly regions: readonly ResolvedRegion[];
}

/** An array of a layout: `factor` bytes times the variables. */
export interface ResolvedRegion {
  readonly name: string;
  readonly doc: string;
  readonly factor: number;
  readonly variables: readonly string[]; // sizes, fields or parameters
}

/** Bytes of a record. */
export function recordBytes({ fields }: RecordDescription): number {
  return 4 * Object.keys(fields).length;
}

/** Every layout of a description. */
export function resolveLayouts(description: Description): ResolvedLayout[] {
  return Object.entries(description.layouts).map(([name, layout]) =>
    resolveLayout(description, name, layout),
  );
}

function resolveLayout(description: Description, name: string, layout: Layout): ResolvedLayout {
  const sizes = new Map(Object.entries(layout.sizes ?? {}));
  const given = new Set(givenNames(description, name, layout));
  for (const size of sizes.values()) {
    for (const used of namesIn(size)) if (!given.has(used)) throw unknown(name, used);
  }
  const numbers = numbersOf(description);
  const regions = Object.entries(layout.regions).map(([region, { element, dims, doc }]) => {
    const variables = dims.filter(
      (dim): dim is string => typeof dim === 'string' && !numbers.has(dim),
    );
    for (const used of variables)
      if (!given.has(used) && !sizes.has(used)) throw unknown(name, used);
    const lengths = dims.map((dim) => (typeof dim === 'string' ? (numbers.get(dim) ?? 1) : dim));
    const factor = lengths.reduce((product, length) => product * length, ELEMENT_BYTES[element]);
    return { name: region, doc: shapeDoc(element, dims, doc), factor, variables };
  });
  return {
    name,
    doc: layout.doc,
    record: typeof layout.of === 'string' ? layout.of : null,
    pointers: layout.pointers,
    headerBytes: layout.pointers ? Math.ceil((4 * regions.length) / 16) * 16 : 0,
    sizes,
    regions,
  };
}

/** What sizes may be made of: the record's fields, or the parameters. */
function givenNames({ records }: Description, name: string, { of }: Layout): readonly string[] {
  if (typeof of !== 'string') return of;
  const record = records[of];
  if (record === undefined) throw unknown(name, of);
  return Object.keys(record.fields);
}

/** Numbers by name: constants, and bytes of records. */
function numbersOf({ constants, records }: Description): Map<string, number> {
  return new Map([
    ...Object.entries(constants).map(([name, { value }]) => [name, value] as const),
    ...Object.entries(records).map(
      ([name, record]) => [bytesName(name), recordBytes(record)] as const,
    ),
  ]);
}

/** The fields and parameters that a size is made of. */
export function namesIn(size: Size): string[] {
  switch (size.kind) {
    case 'ceilDiv':
    case 'roundUp':
      return [size.of];
    case 'sum':
      return [...size.of];
    case 'choose':
      return [size.field, size.chosen, size.otherwise].filter((part) => typeof part === 'string');
    default:
      return size satisfies never;
  }
}

/** The fields and parameters that regions are made of, each once. */
export function namesOf(
  { sizes }: ResolvedLayout,
  regions: readonly ResolvedRegion[],
): readonly string[] {
  const variables = regions.flatMap((region) => region.variables);
  return [
    ...new Set(variables.flatMap((name) => (sizes.has(name) ? namesIn(sizes.get(name)!) : [name]))),
  ];
}

function unknown(layout: string, name: string): Error {
  return new Error(`The layout ${layout} of the WASM records knows no ${name}.`);
}

function shapeDoc(element: ElementType, dims: readonly (number | string)[], doc: string): string {
  const shape = `${element} ${dims.map((dim) => `[${dim}]`).join('')}`;
  return doc === '' ? shape : `${shape}, ${doc}`;
}
