'use strict';
// The interactive parts of the page: the theme, the choice of a measure, the values of points, and the comparison of
// pictures. Without this script, the page shows all tables, plots and pictures one after the other.
document.documentElement.classList.add('js');

document.addEventListener('DOMContentLoaded', () => {
  theme(document.getElementById('theme'));
  measures(document.getElementById('measures'));
  document.querySelectorAll('svg.plot').forEach(points);
  document.querySelectorAll('.exhibit').forEach(compare);
  addEventListener('hashchange', reveal);
  reveal();
});

// Opens the picture that a link points to.
function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.matches('details')) target.open = true;
}

function theme(button) {
  const root = document.documentElement;
  const isDark = () => root.style.colorScheme
    ? root.style.colorScheme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches;
  const name = () => { button.textContent = isDark() ? 'Light' : 'Dark'; };
  button.setAttribute('aria-description', 'changes the colours of the page');
  button.addEventListener('click', () => {
    root.style.colorScheme = isDark() ? 'light' : 'dark';
    name();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', name);
  name();
}

function measures(choice) {
  const show = () => {
    for (const input of choice.querySelectorAll('input')) {
      document.getElementById('measure-' + input.value).hidden = !input.checked;
    }
  };
  choice.addEventListener('change', show);
  show();
}

// Shows the values of the point that is nearest to the pointer. On the keyboard, arrow keys move from point to point.
function points(plot) {
  const curves = [...plot.querySelectorAll('.curve')].map((curve) => [...curve.querySelectorAll('.mark')]);
  const marks = curves.flat();
  if (!marks.length) return;
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.setAttribute('role', 'status');
  plot.after(tip);
  plot.tabIndex = 0;
  const at = new Map();
  const texts = new Map();
  for (const mark of marks) {
    const move = mark.transform.baseVal.getItem(0).matrix;
    const title = mark.querySelector('title');
    at.set(mark, [move.e, move.f]);
    texts.set(mark, title.textContent);
    title.remove();
  }
  plot.querySelector('title').remove();
  let near = null;

  const show = (mark) => {
    if (mark === near) return;
    if (near) near.classList.remove('near');
    near = mark;
    tip.textContent = mark ? texts.get(mark) : '';
    if (!mark) return;
    mark.classList.add('near');
    const box = plot.parentElement.getBoundingClientRect();
    const spot = mark.getBoundingClientRect();
    const x = spot.left + spot.width / 2 - box.left - tip.offsetWidth / 2;
    const y = spot.top - box.top - tip.offsetHeight - 8;
    tip.style.left = `${Math.max(4, Math.min(x, box.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${y > 0 ? y : spot.bottom - box.top + 8}px`;
  };
  const nearest = (event) => {
    const spot = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
    const far = (mark) => Math.hypot(at.get(mark)[0] - spot.x, at.get(mark)[1] - spot.y);
    const best = marks.reduce((a, b) => (far(b) < far(a) ? b : a));
    show(far(best) < 60 ? best : null);
  };
  plot.addEventListener('pointermove', nearest);
  plot.addEventListener('pointerdown', nearest);
  plot.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse') show(null); });
  plot.addEventListener('blur', () => show(null));
  plot.addEventListener('focus', () => { if (plot.matches(':focus-visible')) show(near || curves.at(-1)[0]); });
  plot.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') return show(null);
    const [along, across] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [];
    if (along === undefined) return;
    event.preventDefault();
    const mark = near || curves.at(-1)[0];
    let row = curves.findIndex((curve) => curve.includes(mark));
    const column = curves[row].indexOf(mark) + along;
    // Curves are drawn from the last to the first.
    row = Math.max(0, Math.min(row - across, curves.length - 1));
    show(curves[row][Math.max(0, Math.min(column, curves[row].length - 1))]);
  });
}

// Compares two versions of a picture, with a line between them.
function compare(exhibit) {
  const stage = exhibit.querySelector('.stage');
  const figures = [...stage.querySelectorAll('figure')];
  const [left, right] = exhibit.querySelectorAll('select');
  const slider = stage.querySelector('input');
  const captions = exhibit.querySelectorAll('.captions p');
  const size = [Number(stage.dataset.width), Number(stage.dataset.height)];
  let zoom = 0;
  // The middle of the visible part, as a share of the picture.
  let middle = [0.5, 0.5];

  const set = (name, value) => exhibit.style.setProperty('--' + name, value);
  const scale = () => zoom || stage.clientWidth / size[0];
  const layout = () => {
    set('least', Math.max(1, zoom));
    if (!stage.clientWidth) return;
    const room = [stage.clientWidth, stage.clientHeight];
    const shown = size.map((side) => side * scale());
    const corner = [0, 1].map((i) => {
      if (shown[i] <= room[i]) return (room[i] - shown[i]) / 2;
      return Math.max(room[i] - shown[i], Math.min(0, room[i] / 2 - middle[i] * shown[i]));
    });
    middle = [0, 1].map((i) => (room[i] / 2 - corner[i]) / shown[i]);
    set('shown', `${shown[0]}px`);
    set('x', `${corner[0]}px`);
    set('y', `${corner[1]}px`);
  };
  const pan = (dx, dy) => {
    middle = [middle[0] - dx / (size[0] * scale()), middle[1] - dy / (size[1] * scale())];
    layout();
  };
  const cut = (percent) => {
    slider.value = percent;
    set('cut', `${percent}%`);
    slider.setAttribute('aria-valuetext',
      `${Math.round(percent)} percent ${left.selectedOptions[0].text}, the rest ${right.selectedOptions[0].text}`);
  };
  const choose = () => {
    figures.forEach((figure, i) => {
      const over = i === Number(left.value) && left.value !== right.value;
      figure.classList.toggle('over', over);
      figure.classList.toggle('on', over || i === Number(right.value));
    });
    [left, right].forEach((side, i) => {
      const caption = figures[side.value].querySelector('figcaption');
      captions[i].replaceChildren(...caption.cloneNode(true).childNodes);
    });
    cut(Number(slider.value));
  };

  set('width', size[0]);
  set('height', size[1]);
  set('least', 1);
  left.addEventListener('change', choose);
  right.addEventListener('change', choose);
  exhibit.querySelector('.zoom').addEventListener('change', (event) => {
    zoom = Number(event.target.value);
    stage.classList.toggle('enlarged', zoom > 0);
    layout();
  });
  slider.addEventListener('input', () => cut(Number(slider.value)));
  slider.addEventListener('keydown', (event) => {
    const [dx, dy] = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key] || [];
    if (dx === undefined || !event.shiftKey) return;
    event.preventDefault();
    pan(dx, dy);
  });
  stage.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    const box = stage.getBoundingClientRect();
    const share = (x) => Math.max(0, Math.min(100, ((x - box.left) / box.width) * 100));
    const line = box.left + (Number.parseFloat(exhibit.style.getPropertyValue('--cut')) / 100) * box.width;
    const drag = zoom === 0 || Math.abs(event.clientX - line) < 28;
    let last = event;
    const move = (next) => {
      if (drag) cut(share(next.clientX));
      else pan(next.clientX - last.clientX, next.clientY - last.clientY);
      last = next;
    };
    const end = () => {
      stage.removeEventListener('pointermove', move);
      stage.removeEventListener('pointerup', end);
      stage.removeEventListener('pointercancel', end);
    };
    stage.setPointerCapture(event.pointerId);
    stage.addEventListener('pointermove', move);
    stage.addEventListener('pointerup', end);
    stage.addEventListener('pointercancel', end);
    event.preventDefault();
    slider.focus({ preventScroll: true, focusVisible: false });
    if (drag) move(event);
  });
  new ResizeObserver(layout).observe(stage);
  choose();
  layout();
}
