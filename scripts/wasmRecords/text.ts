/** PackedTile → PACKED_TILE. */
export function constantCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase();
}

/** PackedTile → packedTile. */
export function camelCase(name: string): string {
  return name[0]!.toLowerCase() + name.slice(1);
}

/** What the bytes of a record, or of a layout that always has as many, are called. */
export function bytesName(name: string): string {
  return `${constantCase(name)}_BYTES`;
}

/** A documentation comment, wrapped at 100 columns. */
export function docText(doc: string): string {
  if (doc.length <= 93) return `/** ${doc} */\n`;
  const lines = [''];
  for (const word of doc.split(' ')) {
    const line = `${lines.at(-1)} ${word}`;
    if (line.length <= 97) lines[lines.length - 1] = line;
    else lines.push(` ${word}`);
  }
  return `/**\n${lines.map((line) => ` *${line}\n`).join('')} */\n`;
}

/** A field of a class or an interface, with what it holds. */
export function memberText(field: string, doc: string): string {
  if (doc === '') return `  ${field}\n`;
  const line = `  ${field} // ${doc}\n`;
  return line.length <= 101 ? line : `  // ${doc}\n  ${field}\n`;
}
