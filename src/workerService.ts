import './register.js';

export { Service, transferred } from './worker/service.js';
