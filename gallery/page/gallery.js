// Shows the pictures of a receiver while they arrive.

const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString('en');
const size = (bytes) => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)}\u00a0kB` : `${(bytes / 1e6).toFixed(1)}\u00a0MB`);
const saved = (bytes, of) => (of > 0 ? `${(100 * (1 - bytes / of)).toFixed(1)}\u00a0%` : '');

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

/** A picture as an item of the list. */
function item(picture) {
  const arrived = picture.state === 'arrived';
  const image = element('img');
  image.alt = arrived ? picture.name : `${picture.name}, not complete yet`;
  image.loading = 'lazy';
  // The number of bytes makes each preview a picture of its own.
  image.src = arrived ? `thumb/${picture.id}` : `preview/${picture.id}?${picture.bytes}`;
  const name = element('b', picture.name);
  name.title = picture.name;
  const facts = [name];
  if (arrived) {
    const rate = ((8 * picture.bytes) / (picture.width * picture.height)).toFixed(2);
    const quality = picture.psnr ? `, ${picture.psnr.toFixed(1)}\u00a0dB` : '';
    const saving = picture.source_bytes > picture.bytes ? `, ${saved(picture.bytes, picture.source_bytes)} saved` : '';
    facts.push(element('span', `${picture.width} × ${picture.height} from ${picture.from}`));
    facts.push(element('span', `${size(picture.bytes)}, ${rate} bits per pixel${quality}${saving}`));
    facts.push(element('span', undefined, link('aec', picture, '.aec'), ' ', link('png', picture, 'PNG')));
  } else {
    facts.push(element('span', `${picture.passes} of 4 passes, ${size(picture.bytes)}`));
  }
  const made = element('li', undefined, element('figure', undefined, image, element('figcaption', undefined, ...facts)));
  made.id = `picture-${picture.id}`;
  made.className = picture.state;
  return made;
}

function link(form, { id, name }, text) {
  const made = element('a', text);
  made.href = `${form}/${id}`;
  made.setAttribute('aria-label', `Save ${name} as ${text}`);
  return made;
}

function row(sender) {
  const head = element('th', sender.name);
  head.scope = 'row';
  head.append(element('small', sender.connected ? ' connected' : ''));
  const { pictures, bytes, source_bytes: source } = sender;
  const cells = [number(pictures), size(bytes), size(source), saved(bytes, source)];
  const made = element('tr', undefined, head, ...cells.map((text) => element('td', text)));
  made.dataset.name = sender.name;
  return made;
}

function say() {
  const all = $('pictures').children.length;
  const arriving = document.querySelectorAll('#pictures .arriving').length;
  const pictures = all === 0 ? 'No pictures yet.' : all === 1 ? '1 picture.' : `${number(all)} pictures.`;
  $('status').textContent = arriving ? `${pictures} ${arriving} not complete yet.` : pictures;
}

const events = new EventSource('events');
events.addEventListener('all', () => {
  $('pictures').replaceChildren();
  $('senders').replaceChildren();
  say();
});
events.addEventListener('sender', ({ data }) => {
  const sender = JSON.parse(data);
  const before = [...$('senders').children].find((made) => made.dataset.name === sender.name);
  if (before) before.replaceWith(row(sender));
  else $('senders').append(row(sender));
  document.querySelector('table').hidden = false;
});
events.addEventListener('picture', ({ data }) => {
  const picture = JSON.parse(data);
  const before = $(`picture-${picture.id}`);
  if (before) before.replaceWith(item(picture));
  else $('pictures').prepend(item(picture));
  say();
});
events.addEventListener('error', () => {
  $('status').textContent = 'The receiver does not answer. This page connects again as soon as it does.';
});
