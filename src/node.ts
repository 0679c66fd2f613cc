export { checkpointFiles } from './node/checkpointFiles.js';
export { type FileSystem, fileSystem } from './node/fileSystem.js';
