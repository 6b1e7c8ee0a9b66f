// The page: takes a picture, encodes it, decodes it again, and shows both with their figures.

import { Codec, isAec } from './codec.js';

const $ = (id) => document.getElementById(id);
const [rightCanvas, leftCanvas] = document.querySelectorAll('#pictures canvas');
/** How long the quality has to rest before the picture is encoded again, in milliseconds. */
const REST = 250;
/** Pictures of up to so many pixels are shown after each pass. */
const EACH_PASS = 1 << 20;
const ORIGINAL = 'Original';
const AEC = 'aecodec';
const JPEG = 'JPEG of the same size';

const started = Codec.start();
let codec;
/** Grows with each task, so that an older one stops. */
let turn = 0;
/** The picture or file in work: `name`, and `picture` or `stream`. */
let source;
/** What can be shown: name, and picture, bytes, times and quality. */
let versions = new Map();
let coded;

class Stale extends Error {}

/** Runs a task unless a newer one has begun, and shows its errors. */
async function task(work) {
  const mine = ++turn;
  codec?.cancel();
  const current = (value) => {
    if (mine !== turn) throw new Stale();
    return value;
  };
  document.body.dataset.state = 'busy';
  try {
    codec = await started;
    current();
    await work(current);
    document.body.dataset.state = 'done';
  } catch (error) {
    if (error instanceof Stale || error.name === 'AbortError' || mine !== turn) return;
    say(error.message, true);
    document.body.dataset.state = 'failed';
  }
  $('progress').hidden = true;
}

function say(text, failed = false) {
  $('status').textContent = text;
  $('status').classList.toggle('failed', failed);
}

function progress(share) {
  $('progress').hidden = false;
  $('progress').value = share;
}

/** Takes a file of any kind. */
export function open(file) {
  return task(async (current) => {
    say(`Reading ${file.name}.`);
    const bytes = current(new Uint8Array(await file.arrayBuffer()));
    versions = new Map();
    coded = undefined;
    $('name').textContent = file.name;
    if (isAec(bytes)) {
      source = { name: file.name.replace(/\.aec$/i, ''), stream: bytes };
      $('controls').hidden = true;
      await decodeAgain(current, bytes);
      return;
    }
    const picture = await codec.run('read', { blob: file }).catch(() => {
      throw new Error(`${file.name} is not a picture that this browser can read.`);
    });
    current();
    source = { name: file.name.replace(/\.[^.]*$/, ''), picture };
    versions.set(ORIGINAL, { picture, bytes: file.size });
    $('controls').hidden = false;
    show(ORIGINAL, ORIGINAL);
    await encodeAgain(current);
  });
}

function options() {
  const value = (name) => document.querySelector(`input[name=${name}]:checked`).value;
  return { quality: Number($('quality').value), profile: value('profile'), mode: value('mode') };
}

/** Encodes the picture, decodes it, and makes the JPEG. */
async function encodeAgain(current) {
  const { picture } = source;
  const chosen = options();
  say('Encoding.');
  const before = performance.now();
  const encoded = await codec.encode(picture, { ...chosen, progress: (share) => current(progress(share / 2)) });
  current();
  const encode = performance.now() - before;
  await decodeAgain(current, encoded.bytes, { encode, record: encoded.joined });
  const jpeg = current(await codec.run('jpeg', { picture: pixels(picture), bytes: coded.bytes.length }));
  const read = current(await codec.run('read', { blob: jpeg.blob }));
  const compared = current(await compare(picture, read));
  versions.set(JPEG, { picture: read, bytes: jpeg.blob.size, quality: jpeg.quality, psnr: compared.psnr });
  show(AEC, JPEG);
}

const pixels = ({ rgba, width, height }) => ({ rgba, width, height });

/** Compares a decoded picture with the original. JPEG has no alpha, so only colours count. */
function compare(original, decoded, stream) {
  return codec.run('compare', { original: original?.rgba, decoded: decoded.rgba, gray: original?.gray ?? false, stream });
}

/** Decodes a stream, pass by pass if it is small, and shows the picture. */
async function decodeAgain(current, bytes, { encode, record } = {}) {
  const info = current(await codec.info(bytes));
  coded = { bytes, info };
  $('passes').hidden = info.exact !== null;
  document.querySelector('input[name=pass][value="4"]').checked = true;
  const small = info.width * info.height <= EACH_PASS;
  const passes = info.exact !== null ? [4] : small ? [1, 2, 3, 4] : [4];
  let decoded;
  let decode;
  for (const pass of passes) {
    say(passes.length > 1 ? `Decoding pass ${pass} of 4.` : 'Decoding.');
    const before = performance.now();
    decoded = await codec.decode(bytes, info, { passes: pass, progress: (share) => current(progress(0.5 + share / 2)) });
    decode = performance.now() - before;
    current();
    await put(decoded, { encode, decode });
    current();
  }
  await judge(current, decoded, record);
  const damage = decoded.damaged ? ` ${decoded.damaged} parts of the file are damaged.` : '';
  say(`Done. ${figures(AEC)}${damage}`, Boolean(damage));
}

/** Puts a decoded picture among the versions, and shows it. */
async function put(decoded, times) {
  const { bytes, info } = coded;
  const upright = info.orientation === 1 ? decoded : await codec.run('turn', { picture: pixels(decoded), orientation: info.orientation });
  versions.set(AEC, { ...versions.get(AEC), picture: upright, bytes: bytes.length, quality: info.quality, ...times });
  show(versions.has(ORIGINAL) ? ORIGINAL : AEC, AEC);
}

/** Measures the decoded picture, checks its hash, and says what the file holds. */
async function judge(current, decoded, record) {
  const { bytes, info } = coded;
  const original = source.picture ?? { gray: info.gray };
  const report = current(await compare(original, decoded, record ? bytes : undefined));
  if (report.bytes) coded.bytes = report.bytes;
  versions.get(AEC).psnr = source.picture ? report.psnr : undefined;
  const checked = record || info.maximum > 255 || !info.hash || decoded.damaged ? '' : hashed(report.hash.startsWith(info.hash));
  const way = info.exact === null ? `Model ${info.profile} at quality ${info.quality}.` : exact(info);
  const size = `${info.width} × ${info.height} pixels, ${info.gray ? 'gray' : 'RGB'}${info.alpha ? ' with alpha' : ''}.`;
  $('facts').textContent = `${size} ${way} ${checked} ${codec.workers} workers${codec.simd ? ' with SIMD' : ''}.`;
  $('facts').dataset.hash = report.hash;
  show(versions.has(ORIGINAL) ? ORIGINAL : AEC, AEC);
}

const exact = ({ exact: error }) => (error === 0 ? 'Lossless.' : `Each sample is within ${error} of the original.`);
const hashed = (equal) => (equal ? 'The pixels have the hash that the file records.' : 'The pixels differ from those that the file promises.');

/** Shows two versions, and the figures of all of them. */
function show(left, right) {
  $('result').hidden = false;
  for (const [id, name] of [['left', left], ['right', right]]) {
    $(id).replaceChildren(...[...versions.keys()].map((version) => new Option(version, version, false, version === name)));
  }
  draw();
  const rows = [...versions].map(([name, { picture, bytes, psnr, encode, decode, quality }]) => {
    const row = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = name === JPEG ? `JPEG, quality ${quality}` : name;
    const rate = (8 * bytes) / (picture.width * picture.height);
    const decibels = psnr === null ? 'equal' : psnr === undefined ? '' : `${psnr.toFixed(2)} dB`;
    const cells = [bytes.toLocaleString('en'), rate.toFixed(3), decibels, time(encode), time(decode)];
    row.append(head, ...cells.map((text) => Object.assign(document.createElement('td'), { textContent: text })));
    return row;
  });
  $('figures').replaceChildren(...rows);
  for (const id of ['save-aec', 'save-png']) $(id).disabled = !versions.has(AEC);
}

const time = (ms) => (ms === undefined ? '' : `${(ms / 1000).toFixed(2)} s`);

/** The figures of a version in words. */
function figures(name) {
  const { picture, bytes, psnr } = versions.get(name);
  const rate = ((8 * bytes) / (picture.width * picture.height)).toFixed(3);
  return `${bytes.toLocaleString('en')} bytes, ${rate} bits per pixel${psnr ? `, PSNR ${psnr.toFixed(2)} dB` : ''}.`;
}

/** Draws the chosen versions. */
function draw() {
  for (const [id, canvas] of [['left', leftCanvas], ['right', rightCanvas]]) {
    const { picture } = versions.get($(id).value);
    canvas.setAttribute('aria-label', `${id === 'left' ? 'Left' : 'Right'}: ${$(id).value}`);
    if (canvas.shown === picture) continue;
    [canvas.width, canvas.height, canvas.shown] = [picture.width, picture.height, picture];
    const data = new Uint8ClampedArray(picture.rgba.buffer, picture.rgba.byteOffset, picture.rgba.length);
    canvas.getContext('2d').putImageData(new ImageData(data, picture.width, picture.height), 0, 0);
  }
}

function save(blob, name) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

let resting;
$('controls').addEventListener('input', () => {
  const exact = options().mode === 'exact';
  for (const input of document.querySelectorAll('#quality, input[name=profile]')) input.disabled = exact;
  $('quality-value').textContent = $('quality').value;
  clearTimeout(resting);
  resting = setTimeout(() => source?.picture && task(encodeAgain), REST);
});
$('controls').addEventListener('submit', (event) => event.preventDefault());

$('passes').addEventListener('change', (event) => {
  const passes = Number(event.target.value);
  task(async (current) => {
    say(`Decoding ${passes} of 4 passes.`);
    const before = performance.now();
    const decoded = current(await codec.decode(coded.bytes, coded.info, { passes, progress: (share) => current(progress(share)) }));
    await put(decoded, { decode: performance.now() - before });
    const report = current(await compare(source.picture ?? { gray: coded.info.gray }, decoded));
    versions.get(AEC).psnr = source.picture ? report.psnr : undefined;
    show(versions.has(ORIGINAL) ? ORIGINAL : AEC, AEC);
    const end = coded.info.passes[passes - 1].toLocaleString('en');
    say(`The first ${passes} of 4 passes: ${end} of ${coded.bytes.length.toLocaleString('en')} bytes.`);
  });
});

for (const id of ['left', 'right']) $(id).addEventListener('change', draw);
$('split').addEventListener('input', () => {
  $('pictures').style.setProperty('--split', `${$('split').value}%`);
  $('split').setAttribute('aria-valuetext', `${$('split').value} percent ${$('left').value}, the rest ${$('right').value}`);
});
$('actual').addEventListener('change', () => $('pictures').classList.toggle('actual', $('actual').checked));

$('file').addEventListener('change', () => $('file').files[0] && open($('file').files[0]));
for (const button of document.querySelectorAll('[data-sample]')) {
  button.addEventListener('click', async () => {
    const name = button.dataset.sample;
    const answer = await fetch(name);
    if (answer.ok) open(new File([await answer.blob()], name));
    else say(`${name} cannot be loaded.`, true);
  });
}
addEventListener('dragover', (event) => {
  event.preventDefault();
  $('drop').classList.add('over');
});
addEventListener('dragleave', (event) => event.relatedTarget || $('drop').classList.remove('over'));
addEventListener('drop', (event) => {
  event.preventDefault();
  $('drop').classList.remove('over');
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});
addEventListener('paste', (event) => event.clipboardData.files[0] && open(event.clipboardData.files[0]));

$('save-aec').addEventListener('click', () => save(new Blob([coded.bytes], { type: 'image/x-aec' }), `${source.name}.aec`));
$('save-png').addEventListener('click', async () => {
  save(await codec.run('write', { picture: pixels(versions.get(AEC).picture), type: 'image/png' }), `${source.name}.png`);
});

started.then(
  () => (document.body.dataset.state ??= 'ready'),
  (error) => say(`The codec cannot be started: ${error.message}`, true),
);
