import type { AvatarArtist } from './avatars.js';
import { type DatasetInfo, NOT_OF_CLASS, type Picture } from './dataset.js';

/** A dataset that is yet to be written. */
export interface Drawings {
  readonly info: DatasetInfo;
  /** Draws the pictures, label by label. */
  draw(): Generator<Picture, void>;
}

/**
 * Avatars as a dataset: so many of each artist, whose place among them is the label; the last tenth
 * of each is kept from training. The heads of the attributes are those of all artists, in order.
 *
 * @param count Pictures of each artist, seeds `style:0` and on.
 * @param size Height and width.
 */
export function avatarDataset(
  artists: readonly AvatarArtist[],
  count: number,
  size: number,
): Drawings {
  const heads = artists.flatMap(({ attributes }, label) =>
    attributes.map(({ component, values }) => ({ label, name: component, values })),
  );
  const info = {
    count: count * artists.length,
    size,
    classes: artists.map(({ name }) => name),
    attributes: heads,
    about: artists.map(({ licence }) => licence),
  };
  function* draw(): Generator<Picture, void> {
    for (const [label, artist] of artists.entries()) {
      for (let i = 0; i < count; i++) {
        const { pixels, attributes } = artist.draw(`${artist.name}:${i}`, size);
        const own = attributes.values();
        yield {
          pixels,
          label,
          heldOut: i >= Math.floor(0.9 * count),
          attributes: heads.map((head) =>
            head.label === label ? own.next().value! : NOT_OF_CLASS,
          ),
        };
      }
    }
  }
  return { info, draw };
}
