/**
 * What a description of records that TypeScript and the WASM kernels share is made of;
 * `description.ts` is the description, `typescript.ts` and `assembly.ts` write the two sides.
 */

/** Types of a field or an element; a field takes 4 bytes whichever it has. */
export type FieldType = 'f32' | 'i32' | 'u32' | 'usize';
export type ElementType = FieldType | 'i16' | 'i8' | 'u8';

export const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = {
  f32: 4,
  i32: 4,
  u32: 4,
  usize: 4,
  i16: 2,
  i8: 1,
  u8: 1,
};

/** A number that both sides know, or that only the assembly needs beside the layouts. */
export interface Constant {
  readonly type: FieldType;
  readonly value: number;
  readonly doc: string;
  readonly sides: 'both' | 'assembly';
}

/** Names that stand for 0, 1, 2, … in a field. */
export interface Enumeration {
  readonly values: readonly string[];
  readonly doc: string;
}

/** A record in linear memory, its fields one after the other. */
export interface RecordDescription {
  readonly doc: string;
  /**
   * By whom: TypeScript, to scratch memory of the call ('scratch') or into a table that stays
   * ('table'); or the kernels alone ('assembly').
   */
  readonly written: 'scratch' | 'table' | 'assembly';
  readonly fields: Readonly<Record<string, readonly [type: FieldType, doc: string]>>;
}

/** A number of elements that follows from fields or parameters, by name. */
export type Size =
  | { readonly kind: 'ceilDiv'; readonly of: string; readonly by: number }
  | { readonly kind: 'roundUp'; readonly of: string; readonly to: number }
  | { readonly kind: 'sum'; readonly of: readonly string[] }
  | ({ readonly kind: 'choose' } & Choice);

/** `chosen` where the field is 0, or is below a number, else `otherwise`. */
export interface Choice {
  readonly field: string;
  readonly test: 'zero' | { readonly below: number };
  readonly chosen: number | string;
  readonly otherwise: number | string;
}

/** An array in a layout. */
export interface Region {
  readonly element: ElementType;
  /** Lengths, outermost first: numbers, constants, sizes, fields or parameters. */
  readonly dims: readonly (number | string)[];
  readonly doc: string;
}

/**
 * Arrays side by side in memory that TypeScript allocates. Where they have `pointers`, kernels keep
 * the addresses of all of them in a record at its beginning.
 */
export interface Layout {
  readonly doc: string;
  /** Its sizes follow from the fields of this record, or from parameters. */
  readonly of: string | readonly string[];
  readonly sizes?: Readonly<Record<string, Size>>;
  readonly pointers: boolean;
  readonly regions: Readonly<Record<string, Region>>;
}

/** All that both sides share, by name. */
export interface Description {
  readonly constants: Readonly<Record<string, Constant>>;
  readonly enumerations: Readonly<Record<string, Enumeration>>;
  readonly records: Readonly<Record<string, RecordDescription>>;
  readonly layouts: Readonly<Record<string, Layout>>;
}

/** A constant of both sides. */
export function shared(value: number, doc: string, type: FieldType = 'i32'): Constant {
  return { type, value, doc, sides: 'both' };
}

/** A constant of the assembly, of which layouts may be made. */
export function assemblyOnly(value: number, doc: string, type: FieldType = 'i32'): Constant {
  return { type, value, doc, sides: 'assembly' };
}

/** An array of a layout. */
export function region(
  element: ElementType,
  dims: readonly (number | string)[],
  doc: string,
): Region {
  return { element, dims, doc };
}

export const ceilDiv = (of: string, by: number): Size => ({ kind: 'ceilDiv', of, by });
export const roundUp = (of: string, to: number): Size => ({ kind: 'roundUp', of, to });
export const sum = (...of: readonly string[]): Size => ({ kind: 'sum', of });
export const choose = (choice: Choice): Size => ({ kind: 'choose', ...choice });
