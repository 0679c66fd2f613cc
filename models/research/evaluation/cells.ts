import type { TextTable } from '../../../src/cli/textTable.js';
import { CONFIGURATION_NAMES } from './configurations.js';
import { PLAN_DEFAULTS } from './plan.js';
import type { OfflineRow, PairedRow } from './rows.js';

/** A table with a heading. */
export interface TitledTable extends TextTable {
  readonly title: string;
  readonly texts: number;
}

/** Of a value that there is none of. */
export const NONE = '–';

/** By bits, then configuration, as the defaults list them. */
export function inOrder<T extends PairedRow | OfflineRow>(rows: readonly T[]): T[] {
  const place = (list: readonly string[], name: string | null) => {
    const at = list.indexOf(name ?? '');
    return at === -1 ? list.length : at;
  };
  const rank = ({ bits, configuration }: T) =>
    bits === null
      ? -1
      : 100 * place(PLAN_DEFAULTS.bits, bits) + place(CONFIGURATION_NAMES, configuration);
  return [...rows].sort((a, b) => rank(a) - rank(b));
}

/** A backend as texts name it. */
export const BACKEND_TEXTS = { wasm: 'WASM', webgpu: 'WebGPU' } as const;

export function decibels(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : '∞';
}

export function times(size: number): string {
  return `${size.toFixed(3)} ×`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
