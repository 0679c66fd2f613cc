import '../ops/register/webgl.js';
