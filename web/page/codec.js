// The codec of a page: workers that share each picture, and models that are fetched once.

import { GROUP_LOG2, moduleName } from './aecodec.js';

const MODELS = 'aecodec-models';
/** The first bytes of every `.aec` file. */
const SIGNATURE = [0x89, 0x41, 0x45, 0x43];

/** Whether these are the bytes of an `.aec` file. */
export const isAec = (bytes) => SIGNATURE.every((byte, i) => bytes[i] === byte);

/** Several instances of the codec. */
export class Codec {
  #workers = [];
  #waiting = [];
  #models = new Map();
  #base;
  #list;

  /** Starts `count` workers. The module and the models are in the folder `base`, whose URL ends with a slash. */
  static async start(base = new URL('./', import.meta.url), count = Math.min(navigator.hardwareConcurrency || 2, 8)) {
    const codec = new Codec();
    codec.#base = base;
    const compiled = await WebAssembly.compile(await (await fetched(new URL(moduleName(), base))).arrayBuffer());
    for (let i = 0; i < count; i++) codec.#workers.push(new Idle(new Worker(new URL('worker.js', base), { type: 'module' })));
    const started = await Promise.all(codec.#workers.map((worker) => worker.run('start', { compiled })));
    codec.simd = started[0].simd;
    return codec;
  }

  /** Number of workers. */
  get workers() {
    return this.#workers.length;
  }

  /** Runs an operation of `worker.js` on the next worker that is idle. */
  run(operation, input, transfer = []) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operation, input, transfer, resolve, reject });
      this.#next();
    });
  }

  #next() {
    for (const worker of this.#workers.filter((worker) => !worker.busy)) {
      const job = this.#waiting.shift();
      if (!job) return;
      worker.run(job.operation, job.input, job.transfer).then(job.resolve, job.reject).finally(() => this.#next());
    }
  }

  /** Drops the work that has not begun. */
  cancel() {
    this.#waiting.splice(0).forEach((job) => job.reject(new DOMException('another picture was chosen', 'AbortError')));
  }

  /** Loads the model of a profile into all workers, once, and returns its description. */
  model(profile) {
    if (!this.#models.has(profile)) {
      const loading = this.#load(profile);
      this.#models.set(profile, loading);
      loading.catch(() => this.#models.delete(profile));
    }
    return this.#models.get(profile);
  }

  async #load(profile) {
    this.#list ??= fetched(new URL('models.json', this.#base), { cache: 'no-cache' }).then((answer) => answer.json());
    const name = (await this.#list)[profile];
    if (!name) throw new Error(`This page has no model “${profile}”.`);
    const file = await cached(new URL(name, this.#base));
    const added = await Promise.all(this.#workers.map((worker) => worker.run('addModel', { file })));
    return added[0];
  }

  /** Describes a stream. */
  info(stream) {
    return this.run('info', { stream });
  }

  /** Decodes a stream with all workers. `progress` gets the share of the work that is done. */
  async decode(stream, info, { passes = 4, progress = () => {} } = {}) {
    if (info.exact === null) await this.model(info.profile);
    const regions = divided(info, this.workers);
    const { width, height } = info;
    let done = 0;
    const parts = await Promise.all(
      regions.map(async (region) => {
        const part = await this.run('decode', { stream, options: { passes, region } });
        progress(++done / regions.length);
        return { ...part, ...region };
      }),
    );
    const damaged = Math.max(...parts.map((part) => part.damaged));
    if (parts.length === 1) return { rgba: parts[0].rgba, width, height, damaged };
    const rgba = new Uint8Array(width * height * 4);
    parts.forEach((part) => paste(part, rgba, width));
    return { rgba, width, height, damaged };
  }

  /** Encodes a picture from `read`, with all workers if it is coded with the model. */
  async encode(picture, { quality, profile, mode, progress = () => {} }) {
    const { margin } = await this.model(profile);
    const { rgba, width, height, gray, opaque } = picture;
    const groupLog2 = this.#groupLog2(width, height);
    const crops = mode === 'learned' ? groups(width, height, 2 ** groupLog2, margin) : [];
    if (crops.length < 2) return this.run('encode', { picture: { rgba, width, height }, options: { quality, profile, mode } });
    let done = 0;
    const streams = await Promise.all(
      crops.map(async (crop) => {
        const pixels = cut(picture, crop);
        const options = { quality, profile, groupLog2 };
        const part = await this.run('encodePart', { crop: { ...crop, rgba: pixels, gray }, options }, [pixels.buffer]);
        progress(++done / crops.length);
        return part.bytes;
      }),
    );
    const alpha = opaque ? undefined : rgba.filter((_, i) => i % 4 === 3);
    return { ...(await this.run('join', { streams, picture: { width, height, alpha } })), exact: false, joined: true };
  }

  /** Groups of the usual size if there are enough for the workers, and of half the side otherwise. */
  #groupLog2(width, height) {
    const side = 2 ** GROUP_LOG2;
    const count = Math.ceil(width / side) * Math.ceil(height / side);
    return count >= 2 * this.workers || this.workers === 1 ? GROUP_LOG2 : GROUP_LOG2 - 1;
  }
}

/** A worker and its unanswered calls. */
class Idle {
  #worker;
  #calls = new Map();
  #last = 0;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.#calls.get(id);
      this.#calls.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    };
    worker.onerror = (event) => {
      this.#calls.forEach(({ reject }) => reject(new Error(event.message || 'A worker cannot be started.')));
      this.#calls.clear();
    };
  }

  get busy() {
    return this.#calls.size > 0;
  }

  run(operation, input, transfer = []) {
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, operation, input }, transfer);
    });
  }
}

/** Fetches a file, or says why this is not possible. */
async function fetched(url, options) {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`${url} cannot be loaded: the server answers ${answer.status}.`);
  return answer;
}

/** The bytes of a file whose name changes with its content, from the cache if they were fetched before. */
async function cached(url) {
  // Pages that are not secure have no cache of their own.
  if (!('caches' in globalThis)) return new Uint8Array(await (await fetched(url)).arrayBuffer());
  const cache = await caches.open(MODELS);
  let answer = await cache.match(url);
  if (!answer) {
    answer = await fetched(url);
    await cache.put(url, answer.clone()).catch(() => {});
  }
  return new Uint8Array(await answer.arrayBuffer());
}

/** Divides a picture into about `count` regions along its longer side, at edges of groups if there are enough of them. */
export function divided({ width, height, group, groups: [columns, rows] }, count) {
  // A region of fewer pixels costs more than it gains, because its neighbours are decoded as well.
  const wanted = Math.min(count, Math.max(1, Math.floor((width * height) / 65536)));
  const wide = columns >= rows;
  const side = wide ? width : height;
  const step = (wide ? columns : rows) >= 2 * wanted ? 16 * group : 64;
  const length = Math.ceil(side / wanted / step) * step;
  const regions = [];
  for (let at = 0; at < side; at += length) {
    const part = Math.min(length, side - at);
    regions.push(wide ? { x: at, y: 0, width: part, height } : { x: 0, y: at, width, height: part });
  }
  return regions;
}

/** The crops of all groups in raster order: each group with `margin` pixels around it, within the picture. */
export function groups(width, height, side, margin) {
  const crops = [];
  for (let y = 0; y < height; y += side) {
    for (let x = 0; x < width; x += side) {
      const [left, top] = [Math.max(0, x - margin), Math.max(0, y - margin)];
      const [right, bottom] = [Math.min(width, x + side + margin), Math.min(height, y + side + margin)];
      const group = { x: x - left, y: y - top, width: Math.min(side, width - x), height: Math.min(side, height - y) };
      crops.push({ left, top, width: right - left, height: bottom - top, group });
    }
  }
  return crops;
}

/** Copies a crop out of a picture. */
function cut({ rgba, width }, crop) {
  const pixels = new Uint8Array(crop.width * crop.height * 4);
  for (let row = 0; row < crop.height; row++) {
    const start = ((crop.top + row) * width + crop.left) * 4;
    pixels.set(rgba.subarray(start, start + crop.width * 4), row * crop.width * 4);
  }
  return pixels;
}

/** Copies a part into a picture. */
function paste({ rgba, x, y, width, height }, into, intoWidth) {
  for (let row = 0; row < height; row++) {
    into.set(rgba.subarray(row * width * 4, (row + 1) * width * 4), ((y + row) * intoWidth + x) * 4);
  }
}
