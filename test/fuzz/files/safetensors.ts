import { parseSafetensors, type WeightValues } from '../../../src/load/safetensors.js';
import { bytesOf, safetensorsOf, withHeader } from '../../harness/models/safetensorsBytes.js';
import { sizeOf } from '../../harness/numbers/random.js';
import type { FuzzCase, Kind } from '../base/kind.js';
import { found, type Outcome, RIGHT, thrown } from '../base/outcome.js';
import { Random } from '../base/random.js';
import { mutateBytes } from '../mutate/bytes.js';
import { mutateJson } from '../mutate/json.js';
import { hostileJson, hostileText } from '../mutate/values.js';

/** Files of safetensors, their headers sealed again by their length. */
export const safetensorsKind: Kind = {
  name: 'safetensors',
  share: 40,
  prepare: async () => {
    const halves = (count: number) => bytesOf(new Array(count).fill(0x3c00), 2, 'setUint16');
    const base = safetensorsOf({
      'blocks.0.weight': { dtype: 'F16', shape: [4, 6], bytes: halves(24) },
      'blocks.0.bias': { dtype: 'BF16', shape: [6], bytes: halves(6) },
      scale: {
        dtype: 'F32',
        shape: [2, 1, 3],
        bytes: bytesOf([1, 2, 3, 4, 5, 6], 4, 'setFloat32'),
      },
      empty: { dtype: 'F32', shape: [0, 3], bytes: new Uint8Array() },
    });
    return (seeds) => safetensorsCase(base, seeds);
  },
};

function safetensorsCase(base: Uint8Array, mutations: readonly number[]): FuzzCase {
  let bytes = Uint8Array.from(base);
  const changes = mutations.map((seed) => {
    const random = new Random(seed);
    const next = random.chance(0.6) ? sealedAgain(random, bytes) : mutateBytes(random, bytes);
    bytes = Uint8Array.from(next.bytes);
    return next.text;
  });
  return { text: changes.join('; '), run: async () => read(bytes) };
}

/** Another header, and its length. */
function sealedAgain(random: Random, bytes: Uint8Array): { bytes: Uint8Array; text: string } {
  const parts = partsOf(bytes);
  if (parts === null) return { bytes, text: 'no header is left' };
  const { header, data } = parts;
  const text = mutateJson(random, header, hostileJson);
  let json = JSON.stringify(header);
  if (random.chance(0.1)) {
    const [name = 'x', entry] = Object.entries(header)[0] ?? [];
    const again = random.chance(0.5) ? name : hostileText(random);
    json = `{${JSON.stringify(again)}: ${JSON.stringify(entry ?? 0)}, ${json.slice(1)}`;
  }
  return { bytes: withHeader(json, data), text };
}

function partsOf(bytes: Uint8Array): { header: Record<string, unknown>; data: Uint8Array } | null {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const end = 8 + Number(view.getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, end)));
    if (header === null || typeof header !== 'object' || Array.isArray(header)) return null;
    return { header, data: bytes.slice(end) };
  } catch {
    return null;
  }
}

function read(bytes: Uint8Array): Outcome {
  let tensors: Map<string, WeightValues>;
  try {
    tensors = parseSafetensors(bytes);
  } catch (error) {
    return thrown(error);
  }
  const { header, data } = partsOf(bytes)!;
  const names = Object.keys(header).filter((name) => name !== '__metadata__');
  if (`${names}` !== `${[...tensors.keys()]}`)
    return found('wrong', `read: ${[...tensors.keys()]}`);
  const used = names.reduce((sum, name) => {
    const [begin, end] = (header[name] as { data_offsets: [number, number] }).data_offsets;
    return sum + end - begin;
  }, 0);
  if (used !== data.length) return found('wrong', `${used} of ${data.length} bytes are tensors'`);
  for (const [name, { shape, values }] of tensors) {
    const off = offIn(header[name] as Entry, shape, values, data);
    if (off !== null) return found('wrong', `${name}: ${off}`);
  }
  return RIGHT;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Only float32 needs no decoding of its own. */
function offIn(
  { dtype, shape, data_offsets: [begin] }: Entry,
  got: readonly number[],
  values: Float32Array,
  data: Uint8Array,
): string | null {
  if (`${got}` !== `${shape}`) return `shape [${got}], not [${shape}]`;
  if (values.length !== sizeOf(shape)) return `${values.length} values for [${shape}]`;
  if (dtype !== 'F32') return null;
  const view = new DataView(data.buffer, data.byteOffset);
  const at = values.findIndex(
    (value, i) => !Object.is(value, view.getFloat32(begin + 4 * i, true)),
  );
  return at < 0 ? null : `value ${at} is ${values[at]}`;
}
