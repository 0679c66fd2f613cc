import { access } from 'node:fs/promises';
import { basename } from 'node:path';
import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import { InvalidArgumentError } from '../src/index.js';
import { fileSystem } from '../src/node.js';
import { loadTrained, STRESSED, TRAINED, type TrainedName } from './load.js';

/**
 * A graph model on the current backend, in Node with or without tfjs-node.
 *
 * @param source The name of a trained model that is in this folder, or the path or URL (http or
 * https) of a model.json.
 * @throws InvalidArgumentError for another name, or a path at which there is none.
 */
export async function openModel(source: string): Promise<GraphModel> {
  const names: readonly string[] = [...TRAINED, ...STRESSED];
  if (names.includes(source)) return loadTrained(source as TrainedName);
  if (/^https?:\/\//.test(source)) return loadGraphModel(source);
  if (basename(source) !== 'model.json' || !(await exists(source))) {
    const wanted = `${names.join(', ')}, or the path or URL of a model.json`;
    throw new InvalidArgumentError('openModel', 'model', wanted, source || 'nothing');
  }
  return loadGraphModel(fileSystem(source));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
