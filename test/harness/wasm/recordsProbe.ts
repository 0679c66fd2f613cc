import type {
  Description,
  ElementType,
  FieldType,
  RecordDescription,
  Size,
} from '../../../scripts/wasmRecords/describe.js';
import { description } from '../../../scripts/wasmRecords/description.js';
import {
  namesOf,
  type ResolvedLayout,
  type ResolvedRegion,
  resolveLayouts,
} from '../../../scripts/wasmRecords/resolve.js';
import { bytesName, camelCase, constantCase } from '../../../scripts/wasmRecords/text.js';

/** Where records and layouts lie in the probe's memory. */
export const AT = 4096;

/**
 * AssemblyScript that tells what a kernel sees of a description: each field of a record at an
 * address, each constant, where each array of a layout begins and how many bytes it has.
 */
export function probeSource(of: Description): string {
  const fields = Object.entries(of.records).flatMap(([name, record]) =>
    Object.keys(record.fields).map((field) =>
      getter(`${name}_${field}`, 'at: usize', `changetype<r.${name}>(at).${field}`),
    ),
  );
  const sizes = Object.keys(of.records).map((name) =>
    getter(
      bytesName(name),
      '',
      `(offsetof<r.${name}>() === r.${bytesName(name)} ? r.${bytesName(name)} : 0)`,
    ),
  );
  const constants = Object.keys(of.constants).map((name) => getter(name, '', `r.${name}`));
  const enumerations = Object.entries(of.enumerations).flatMap(([name, { values }]) =>
    values.map((value) => getter(`${name}_${value}`, '', `r.${name}_${constantCase(value)}`)),
  );
  const layouts = resolveLayouts(of).flatMap(layoutGetters);
  const all = [...fields, ...sizes, ...constants, ...enumerations, ...layouts];
  return `import * as r from './records';\n${all.join('')}`;
}

function layoutGetters(layout: ResolvedLayout): string[] {
  const { name, record, regions, pointers } = layout;
  const names = namesOf(layout, regions);
  const parameters = record === null ? names.map((each) => `${each}: i32`).join(', ') : 'at: usize';
  const argsFor = (count: number) =>
    record === null ? namesOf(layout, regions.slice(0, count)) : [`changetype<r.${record}>(at)`];
  const bytes =
    names.length === 0
      ? `r.${bytesName(name)}`
      : `r.${camelCase(name)}Bytes(${argsFor(regions.length).join(', ')})`;
  const starts = regions.map((region, i) => {
    const args = argsFor(i);
    const place = `r.place${name}(${[AT, ...argsFor(regions.length)].join(', ')}).${region.name}`;
    const called = `${camelCase(name)}${region.name[0]!.toUpperCase()}${region.name.slice(1)}`;
    const constant = `${AT} + r.${constantCase(name)}_${constantCase(region.name)}`;
    const behind = args.length === 0 ? constant : `r.${called}(${[AT, ...args].join(', ')})`;
    const text = pointers ? place : i === 0 ? `${AT}` : behind;
    return getter(`${name}_${region.name}`, parameters, text);
  });
  return [getter(`${name}Bytes`, parameters, bytes), ...starts];
}

function getter(name: string, parameters: string, value: string): string {
  return `export function ${name}(${parameters}): f64 { return <f64>(${value}); }\n`;
}

/** A value for each field that tells it from the others, and its type from other types. */
export function fieldsOf({ fields }: RecordDescription): Record<string, number> {
  const values: Readonly<Record<FieldType, (i: number) => number>> = {
    f32: (i) => i + 0.5,
    i32: (i) => -1 - i,
    u32: (i) => 2 ** 31 + i,
    usize: (i) => 2 ** 32 - 1000 + i,
  };
  return Object.fromEntries(
    Object.entries(fields).map(([name, [type]], i) => [name, values[type](i)]),
  );
}

/** Sizes to lay out: small and odd ones, zeros where a record may have them. */
export function sampleSizes(
  of: Description,
  layout: ResolvedLayout,
): readonly Readonly<Record<string, number>>[] {
  const used = namesOf(layout, layout.regions);
  const names = layout.record === null ? used : Object.keys(of.records[layout.record]!.fields);
  return [1, 2, 3, 5, 8, 13, 64, 0].map((seed) =>
    Object.fromEntries(names.map((name, i) => [name, seed === 0 ? i % 2 : seed + ((7 * i) % 11)])),
  );
}

/** Bytes of an array, by the description itself. */
export function regionBytes(
  layout: ResolvedLayout,
  { factor, variables }: ResolvedRegion,
  given: Readonly<Record<string, number>>,
): number {
  const lengths = variables.map((name) => {
    const size = layout.sizes.get(name);
    return size === undefined ? given[name]! : sizeOf(size, given);
  });
  return lengths.reduce((product, length) => product * length, factor);
}

function sizeOf(size: Size, given: Readonly<Record<string, number>>): number {
  switch (size.kind) {
    case 'ceilDiv':
      return Math.ceil(given[size.of]! / size.by);
    case 'roundUp':
      return Math.ceil(given[size.of]! / size.to) * size.to;
    case 'sum':
      return size.of.reduce((sum, name) => sum + given[name]!, 0);
    case 'choose': {
      const value = given[size.field]!;
      const holds = size.test === 'zero' ? value === 0 : value < size.test.below;
      const part = holds ? size.chosen : size.otherwise;
      return typeof part === 'string' ? given[part]! : part;
    }
    default:
      return size satisfies never;
  }
}

/** The description with two fields of a record in each other's place. */
export function changedFields(name: string, [a, b]: readonly [string, string]): Description {
  const record = description.records[name]!;
  const swapped = Object.keys(record.fields).map((field) =>
    field === a ? b : field === b ? a : field,
  );
  const fields = Object.fromEntries(swapped.map((field) => [field, record.fields[field]!]));
  return { ...description, records: { ...description.records, [name]: { ...record, fields } } };
}

/** The description with another value of a constant. */
export function changedConstant(name: string, value: number): Description {
  const constant = { ...description.constants[name]!, value };
  return { ...description, constants: { ...description.constants, [name]: constant } };
}

/** The description with other names in an enumeration. */
export function changedEnumeration(name: string, values: readonly string[]): Description {
  const enumeration = { ...description.enumerations[name]!, values };
  return { ...description, enumerations: { ...description.enumerations, [name]: enumeration } };
}

/** The description with an array of a layout that has another shape. */
export function changedLayout(
  name: string,
  region: string,
  element: ElementType,
  dims: readonly (number | string)[],
): Description {
  const layout = description.layouts[name]!;
  const regions = { ...layout.regions, [region]: { element, dims, doc: '' } };
  return { ...description, layouts: { ...description.layouts, [name]: { ...layout, regions } } };
}
