// The codec: loads the WebAssembly module and calls its functions. One instance works in the thread that made it.

/** A module that only browsers with SIMD accept: a function that returns a vector of zeros. */
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** Names of the profiles, with their numbers. */
export const PROFILES = { other: 0, fast: 1, best: 2, perceptual: 3 };

/** How a picture is encoded: with the model, in the way that suits it, or exactly. */
export const MODES = { learned: 0, auto: 1, exact: 2 };

/** The binary logarithm of the side of a group in pixels. */
export const GROUP_LOG2 = 10;

/** The file of the module that this browser can run. */
export function moduleName() {
  return WebAssembly.validate(SIMD) ? 'aecodec.wasm' : 'aecodec-plain.wasm';
}

/** An instance of the codec. */
export class Aecodec {
  /** Makes an instance from a compiled module. */
  constructor(module) {
    this.exports = new WebAssembly.Instance(module, {}).exports;
  }

  /** Makes an instance from the files in a folder, whose URL ends with a slash. */
  static async load(base) {
    const answer = await fetch(new URL(moduleName(), base));
    if (!answer.ok) throw new Error(`${answer.url} cannot be loaded: status ${answer.status}`);
    return new Aecodec(await WebAssembly.compile(await answer.arrayBuffer()));
  }

  /** Whether the kernels use SIMD. */
  get simd() {
    return this.exports.simd() === 1;
  }

  /** Adds a model from the bytes of its file, and returns its `profile`, `id` and `margin`. */
  addModel(file) {
    return this.#call('model_add', this.#put(file));
  }

  /** Describes a stream: its size, mode, quality, model and hash. */
  info(stream) {
    return this.#with([stream], (number) => this.#call('info', number));
  }

  /** Decodes a stream, or a `region` of it, with 1 to 4 passes. `rgba` is `[height, width, 4]`, in stored orientation. */
  decode(stream, { passes = 4, region } = {}) {
    const { x, y, width, height } = region ?? { x: 0, y: 0, width: 0, height: 0 };
    return this.#with([stream], (number) => this.#result('rgba', 'decode', number, passes, x, y, width, height));
  }

  /** Encodes `rgba`. The quality is 0 to 100. */
  encode({ rgba, width, height }, { quality = 50, profile = 'fast', mode = 'learned' } = {}) {
    const options = [PROFILES[profile], Math.round(quality * 64), MODES[mode]];
    return this.#with([rgba], (number) => this.#result('bytes', 'encode', number, width, height, ...options));
  }

  /** Encodes a group from a crop, for `join`. `gray` says whether the whole picture is gray. */
  encodePart({ rgba, width, height, group, gray }, { quality = 50, profile = 'fast', groupLog2 = GROUP_LOG2 } = {}) {
    const place = [width, height, group.x, group.y, group.width, group.height, Number(gray)];
    const options = [PROFILES[profile], Math.round(quality * 64), groupLog2];
    return this.#with([rgba], (number) => this.#result('bytes', 'encode_part', number, ...place, ...options));
  }

  /** Joins the streams of all groups of a picture. `alpha` is `[height, width]`, or undefined if the picture is opaque. */
  join(streams, { width, height, alpha }) {
    const all = new Uint8Array(streams.reduce((sum, stream) => sum + stream.length, 0));
    streams.reduce((at, stream) => (all.set(stream, at), at + stream.length), 0);
    const lengths = new Uint8Array(new Uint32Array(streams.map((stream) => stream.length)).buffer);
    return this.#result('bytes', 'join', this.#put(all), this.#put(lengths), width, height, alpha ? this.#put(alpha) : 0);
  }

  /** The `hash` of decoded pixels and, if there is an original, their `psnr`, which is null if they are equal. */
  compare(original, decoded, gray) {
    if (!original) return this.#with([decoded], (pixels) => this.#call('compare', 0, pixels, Number(gray)));
    return this.#with([original, decoded], (a, b) => this.#call('compare', a, b, Number(gray)));
  }

  /** Records the hash of the decoded pixels in a stream from `join`. */
  record(stream, decoded, gray) {
    return this.#with([decoded], (pixels) => this.#result('bytes', 'record', this.#put(stream), pixels, Number(gray)));
  }

  /** Copies bytes into a new buffer, and returns its number. */
  #put(bytes) {
    const number = this.exports.buffer_new(bytes.length);
    new Uint8Array(this.exports.memory.buffer, this.exports.buffer_start(number), bytes.length).set(bytes);
    return number;
  }

  /** Takes the bytes out of a buffer. */
  #get(number) {
    const { memory, buffer_start, buffer_length, buffer_free } = this.exports;
    const bytes = new Uint8Array(memory.buffer, buffer_start(number), buffer_length(number)).slice();
    buffer_free(number);
    return bytes;
  }

  /** Calls `work` with buffers of these bytes, and frees them. */
  #with(all, work) {
    const numbers = all.map((bytes) => this.#put(bytes));
    try {
      return work(...numbers);
    } finally {
      numbers.forEach((number) => this.exports.buffer_free(number));
    }
  }

  /** Calls a function and returns its report. */
  #call(name, ...numbers) {
    return this.#result(null, name, ...numbers);
  }

  /** Calls a function, and returns its report with the resulting buffer as the field `field`. */
  #result(field, name, ...numbers) {
    const number = this.exports[name](...numbers);
    const message = new TextDecoder().decode(this.#get(this.exports.message()));
    if (number === 0) throw new Error(message);
    const report = JSON.parse(message);
    if (field) report[field] = this.#get(number);
    return report;
  }
}
