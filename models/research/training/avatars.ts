import { createRequire } from 'node:module';
import { Avatar, Style } from '@dicebear/core';
import { Resvg } from '@resvg/resvg-js';
import { HadaNormError } from '../../../src/index.js';
import type { AvatarStyle } from '../../classNames.js';

const require = createRequire(import.meta.url);

/** The licence that a style must have to be drawn. */
export const LICENCE = 'CC0 1.0';

/** Rendered at twice the size and averaged 2×2: smoother edges than the renderer's own. */
const OVERSAMPLING = 2;

/** What is read of the definition of a style. */
export interface StyleDefinition {
  readonly meta: {
    readonly license: { readonly name: string; readonly url: string };
    readonly creator: { readonly name: string };
    readonly source: { readonly name: string; readonly url: string };
  };
  readonly components: Readonly<
    Record<string, { readonly variants?: Readonly<Record<string, unknown>> }>
  >;
}

/** Whose a style is. */
export interface StyleLicence {
  readonly style: AvatarStyle;
  readonly licence: string;
  readonly licenceUrl: string;
  readonly creator: string;
  readonly source: string;
}

/** What varies in a style: a part of the drawing, and the forms it comes in. */
export interface Attribute {
  readonly style: AvatarStyle;
  readonly component: string;
  /** The first is 'none': a drawing can lack the part. */
  readonly values: readonly string[];
}

/** A drawing. */
export interface DrawnAvatar {
  /** RGB, u8 [size, size, 3]. */
  readonly pixels: Uint8Array;
  /** For each attribute of the style, the index of its value. */
  readonly attributes: readonly number[];
}

/** Draws avatars of one style: the same for the same seed. */
export class AvatarArtist {
  readonly licence: StyleLicence;
  readonly attributes: readonly Attribute[];
  private readonly style: Style;

  /**
   * @param definition The style's; default the installed one.
   * @throws HadaNormError when the style's licence is not `LICENCE`.
   */
  constructor(
    readonly name: AvatarStyle,
    definition: StyleDefinition = styleDefinition(name),
  ) {
    const { license, creator, source } = definition.meta;
    if (license.name !== LICENCE) {
      throw new HadaNormError(
        'AvatarArtist',
        `${name} is licensed ${license.name}, not ${LICENCE}.`,
      );
    }
    this.licence = {
      style: name,
      licence: license.name,
      licenceUrl: license.url,
      creator: creator.name,
      source: source.url,
    };
    this.attributes = attributesOf(name, definition);
    this.style = new Style(definition as never);
  }

  /** The drawing of a seed, on white where the style has no background. */
  draw(seed: string, size: number): DrawnAvatar {
    const avatar = new Avatar(this.style, { seed, size: OVERSAMPLING * size } as never).toJSON();
    const options: Readonly<Record<string, unknown>> = avatar.options;
    return {
      pixels: averaged(rendered(avatar.svg, OVERSAMPLING * size), size),
      attributes: this.attributes.map(({ component, values }) =>
        Math.max(0, values.indexOf(`${options[`${component}Variant`]}`)),
      ),
    };
  }
}

/** The definition of a style as it is installed. */
export function styleDefinition(name: AvatarStyle): StyleDefinition {
  return require(`@dicebear/styles/${name}.json`);
}

/**
 * Parts with a choice of forms that a still picture shows; the many like stars of a sky are left
 * out.
 */
function attributesOf(style: AvatarStyle, { components }: StyleDefinition): Attribute[] {
  return Object.entries(components).flatMap(([component, { variants = {} }]) => {
    const forms = Object.keys(variants);
    if (forms.length < 2 || component === 'animation' || /^star/.test(component)) return [];
    return [{ style, component, values: ['none', ...forms] }];
  });
}

/** RGBA, u8 [size, size, 4]. */
function rendered(svg: string, size: number): Uint8Array {
  const options = {
    fitTo: { mode: 'width', value: size },
    background: 'white',
    font: { loadSystemFonts: false },
  } as const;
  return new Resvg(svg, options).render().pixels;
}

function averaged(pixels: Uint8Array, size: number): Uint8Array {
  const row = 4 * OVERSAMPLING * size;
  const out = new Uint8Array(3 * size * size);
  for (let y = 0, to = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = OVERSAMPLING * (y * row + 4 * x);
      for (let c = from; c < from + 3; c++, to++) {
        const sum = pixels[c]! + pixels[c + 4]! + pixels[c + row]! + pixels[c + row + 4]!;
        out[to] = (sum + 2) >> 2;
      }
    }
  }
  return out;
}
