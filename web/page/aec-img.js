// Shows .aec files in <img>: <script type="module" src="aec-img.js"></script>, then <img src="photo.aec" alt="...">.
// A picture appears as soon as its first pass is there, and becomes sharper while the rest arrives.

import { Codec } from './codec.js';

/** Pictures that are within this distance of the window are loaded. */
const NEAR = '200px';
const isAec = (img) => /\.aec($|[?#])/i.test(img.getAttribute('src') ?? '');

let codec;

/** Shows the file of an <img> or of another element with `src`. Its attribute `data-aec` says how far it is. */
async function show(img) {
  const url = new URL(img.getAttribute('src'), img.baseURI);
  img.dataset.aec = 'loading';
  try {
    codec ??= Codec.start();
    const ready = await codec;
    for await (const { bytes, info, passes } of arriving(url, ready)) {
      await paint(ready, img, bytes, info, passes);
    }
    img.dataset.aec = 'done';
    img.dispatchEvent(new Event('aec-done', { bubbles: true }));
  } catch (error) {
    img.dataset.aec = 'failed';
    img.dispatchEvent(new CustomEvent('aec-failed', { bubbles: true, detail: `${url}: ${error.message}` }));
  }
}

/** Yields what has arrived of a file whenever another pass is complete, and at last the whole file. */
async function* arriving(url, ready) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const reader = answer.body.getReader();
  const parts = [];
  let [length, info, shown] = [0, null, 0];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    info ??= await ready.info(await joined(parts)).catch(() => null);
    const passes = info?.exact === null ? info.passes.filter((end) => end <= length).length : 0;
    if (passes > shown && length < info.length) {
      shown = passes;
      yield { bytes: await joined(parts), info, passes };
    }
  }
  const bytes = await joined(parts);
  yield { bytes, info: await ready.info(bytes), passes: 4 };
}

const joined = async (parts) => new Uint8Array(await new Blob(parts).arrayBuffer());

async function paint(ready, img, bytes, info, passes) {
  let picture = await ready.decode(bytes, info, { passes });
  if (info.orientation !== 1) picture = await ready.run('turn', { picture, orientation: info.orientation });
  const { rgba, width, height } = picture;
  const blob = await ready.run('write', { picture: { rgba, width, height }, type: 'image/png' }, [rgba.buffer]);
  const before = img.src;
  const after = URL.createObjectURL(blob);
  seen.add(img);
  img.src = after;
  await img.decode().catch(() => {});
  if (before.startsWith('blob:')) URL.revokeObjectURL(before);
}

/** The elements that have been taken. */
const seen = new WeakSet();
const near = new IntersectionObserver(
  (entries) => {
    for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
      near.unobserve(target);
      show(target);
    }
  },
  { rootMargin: NEAR },
);

function take(root) {
  const all = root.matches?.('img') ? [root] : (root.querySelectorAll?.('img') ?? []);
  for (const img of all) {
    if (seen.has(img) || !isAec(img)) continue;
    seen.add(img);
    near.observe(img);
  }
}

take(document);
new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(take))).observe(document, {
  childList: true,
  subtree: true,
});
