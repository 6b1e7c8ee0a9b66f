// A worker: one instance of the codec, and what a canvas does without a page.

import { Aecodec } from './aecodec.js';
import { turned } from './orientation.js';

let module;
let codec;
const models = new Map();

const operations = {
  /** Makes the instance. */
  start({ compiled }) {
    module = compiled;
    codec = new Aecodec(module);
    return { simd: codec.simd };
  },
  addModel({ file }) {
    const model = codec.addModel(file);
    models.set(model.profile, file);
    return model;
  },
  info: ({ stream }) => codec.info(stream),
  decode({ stream, options }) {
    const decoded = codec.decode(stream, options);
    return [decoded, [decoded.rgba.buffer]];
  },
  encode({ picture, options }) {
    const encoded = codec.encode(picture, options);
    return [encoded, [encoded.bytes.buffer]];
  },
  encodePart: ({ crop, options }) => codec.encodePart(crop, options),
  join: ({ streams, picture }) => codec.join(streams, picture),
  /** Compares decoded pixels with those of the original, if there is one, and records their hash in a stream, if one is given. */
  compare({ original, decoded, gray, stream }) {
    const report = codec.compare(original, decoded, gray);
    if (stream) report.bytes = codec.record(stream, decoded, gray).bytes;
    return report;
  },
  /** Reads a picture in a format of the browser. */
  async read({ blob }) {
    const bitmap = await createImageBitmap(blob, { premultiplyAlpha: 'none' });
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const rgba = new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
    return [{ rgba, width, height, ...kind(rgba) }, [rgba.buffer]];
  },
  /** Writes a picture as PNG, or as JPEG of a quality from 0 to 1. */
  write: ({ picture, type, quality }) => canvas(picture).convertToBlob({ type, quality }),
  /** Finds the largest JPEG of at most `bytes` bytes, or the smallest one that there is. */
  async jpeg({ picture, bytes }) {
    const drawn = canvas(picture);
    let best;
    for (let low = 0, high = 100; low <= high; ) {
      const quality = (low + high) >> 1;
      const blob = await drawn.convertToBlob({ type: 'image/jpeg', quality: quality / 100 });
      const fits = blob.size <= bytes;
      if (fits || !best || (best.blob.size > bytes && blob.size < best.blob.size)) best = { blob, quality };
      if (fits) low = quality + 1;
      else high = quality - 1;
    }
    return best;
  },
  /** Turns decoded pixels upright. */
  turn({ picture, orientation }) {
    const upright = turned(picture, orientation);
    return [upright, [upright.rgba.buffer]];
  },
};

/** Whether a picture is gray, and whether it has alpha. */
function kind(rgba) {
  let [gray, opaque] = [true, true];
  for (let i = 0; i < rgba.length && (gray || opaque); i += 4) {
    gray &&= rgba[i] === rgba[i + 1] && rgba[i] === rgba[i + 2];
    opaque &&= rgba[i + 3] === 255;
  }
  return { gray, opaque };
}

function canvas({ rgba, width, height }) {
  const drawn = new OffscreenCanvas(width, height);
  const pixels = new Uint8ClampedArray(rgba.buffer, rgba.byteOffset, rgba.length);
  drawn.getContext('2d').putImageData(new ImageData(pixels, width, height), 0, 0);
  return drawn;
}

/** Starts again after the instance has stopped in the middle of its work, for example because memory ran out. */
function restart() {
  codec = new Aecodec(module);
  models.forEach((file) => codec.addModel(file));
}

onmessage = async ({ data: { id, operation, input } }) => {
  try {
    const found = await operations[operation](input);
    const [result, transfer] = Array.isArray(found) ? found : [found, []];
    postMessage({ id, result }, transfer);
  } catch (error) {
    const stopped = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
    if (stopped) restart();
    postMessage({ id, error: stopped ? `This picture is too large for this browser (${error.message}).` : error.message });
  }
};
