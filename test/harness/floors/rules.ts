import { posix } from 'node:path';
import { circlesOf } from './circles.js';
import type { ImportGraph } from './imports.js';
import { FLOORS, GUARDED, IN_BROWSERS, PACKAGES } from './order.js';

/** What is wrong with a house, each with the files it is about and the way out. */
export interface Complaints {
  readonly floors: readonly string[];
  readonly circlesOfFiles: readonly string[];
  readonly circlesOfFolders: readonly string[];
}

/** Holds the order of floors, the guarded rooms, the packages and the absence of circles. */
export function complaintsOf(graph: ImportGraph): Complaints {
  const floors = [...graph].flatMap(([file, { files, packages }]) => [
    ...(roomOf(file) === undefined ? [homeless(file)] : []),
    ...files.flatMap((to) => upwards(file, to) ?? guarded(file, to) ?? []),
    ...packages.flatMap((name) => foreign(file, name)),
  ]);
  floors.push(...nodeInBrowsers(graph), ...strayTests([...graph.keys()]));
  return { floors, circlesOfFiles: fileCircles(graph), circlesOfFolders: folderCircles(graph) };
}

/** The room that a file stands in: of those that hold it the one named most closely. */
export function roomOf(file: string): string | undefined {
  return FLOORS.flat()
    .filter((room) => holds(room, file))
    .sort((a, b) => closeness(b) - closeness(a))[0];
}

/** Whether a file is one of a room's pattern. */
function holds(room: string, file: string): boolean {
  const pattern = room.replaceAll('.', '\\.').replaceAll('*', '[^/]+');
  return new RegExp(room.endsWith('.ts') ? `^${pattern}$` : `^${pattern}/`).test(file);
}

/** More for more names, and for names without a star. */
function closeness(room: string): number {
  return 2 * room.split('/').length - (room.includes('*') ? 1 : 0);
}

function homeless(file: string): string {
  return (
    `${file} stands on no floor: move it into a room of test/harness/floors/order.ts, ` +
    'or give its folder a place there.'
  );
}

function upwards(from: string, to: string): string | undefined {
  const rooms = [roomOf(from), roomOf(to)] as const;
  const [own, other] = rooms;
  if (own === undefined || other === undefined || own === other) return undefined;
  const [at, on] = rooms.map((room) => FLOORS.findIndex((floor) => floor.includes(room!)));
  if (on! < at!) return undefined;
  const how = at === on ? `${own} stands beside ${other}` : `${own} stands below ${other}`;
  const wayOut = `move what both need to a floor below ${own}, or ${from} up to one above ${other}`;
  return `${from} imports ${to}: ${how}; ${wayOut}.`;
}

function guarded(from: string, to: string): string | undefined {
  const inside = (file: string, folder: string) => file.startsWith(`${folder}/`);
  for (const [room, guests] of Object.entries(GUARDED)) {
    if (!inside(to, room) || [room, ...guests].some((own) => inside(from, own))) continue;
    const wayOut = `move what ${from} needs to models or src, or ${from} to ${guests.join(', ')}`;
    return `${from} imports ${to}: ${room} is for itself and its tests; ${wayOut}.`;
  }
  return undefined;
}

function foreign(from: string, name: string): string[] {
  const [folder, allowed] =
    Object.entries(PACKAGES)
      .filter(([own]) => from.startsWith(`${own}/`))
      .sort(([a], [b]) => b.length - a.length)[0] ?? [];
  if (allowed === undefined || allowed.includes(name)) return [];
  const wayOut = `${folder} may import only ${allowed.join(', ')}; pass in what is needed of it`;
  return [`${from} imports ${name}: ${wayOut}.`];
}

/** Files with modules of Node that what runs in browsers reaches, each by the way there. */
function nodeInBrowsers(graph: ImportGraph): string[] {
  return IN_BROWSERS.flatMap((entry) => {
    const ways = new Map([[entry, [entry]]]);
    for (const [file, way] of ways) {
      for (const to of graph.get(file)?.files ?? []) if (!ways.has(to)) ways.set(to, [...way, to]);
    }
    return [...ways].flatMap(([file, way]) => {
      const module = graph.get(file)?.packages.find((name) => name.startsWith('node:'));
      if (module === undefined) return [];
      const wayOut = `${entry} runs in browsers; move what it needs to a file without ${module}`;
      return [`${way.join(' imports ')} imports ${module}: ${wayOut}.`];
    });
  });
}

/** Tests stand as the code that they test; what several of them use is in the harness. */
function strayTests(files: readonly string[]): string[] {
  const folders = new Set(files.map((file) => posix.dirname(file)));
  return files.flatMap((file) => {
    const [, mirrored] = /^test\/((?:ops|src|models|scripts)(?:\/.*)?)\/[^/]+$/.exec(file) ?? [];
    if (mirrored === undefined) return [];
    if (!file.endsWith('.test.ts')) return [`${file} is no test: move it to test/harness.`];
    if (folders.has(mirrored)) return [];
    return [`${file} tests ${mirrored}, where nothing is: move it as what it tests was moved.`];
  });
}

function fileCircles(graph: ImportGraph): string[] {
  return circlesOf(graph.keys(), (file) => graph.get(file)?.files ?? []).map((circle) => {
    const steps = [...circle, circle[0]!].join(' imports ');
    return `${steps}: move what they share into a file that both import.`;
  });
}

function folderCircles(graph: ImportGraph): string[] {
  // by folder and folder imported, the first two files that tie them
  const ties = new Map<string, Map<string, string>>();
  for (const [file, { files }] of graph) {
    for (const to of files) {
      const [own, other] = [posix.dirname(file), posix.dirname(to)];
      if (own === other) continue;
      if (!ties.has(own)) ties.set(own, new Map());
      if (!ties.get(own)!.has(other)) ties.get(own)!.set(other, `${file} imports ${to}`);
    }
  }
  const next = (folder: string) => [...(ties.get(folder)?.keys() ?? [])];
  return circlesOf(ties.keys(), next).map((circle) => {
    const steps = circle.map((folder, i) =>
      ties.get(folder)!.get(circle[(i + 1) % circle.length]!),
    );
    return `${steps.join(', ')}: one of the folders has to do without the other; move a file.`;
  });
}
