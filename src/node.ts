export { type FileSystem, fileSystem } from './node/fileSystem.js';
