import '../ops/register/tensorflow.js';
