const data = JSON.parse(document.getElementById('data').textContent);
const main = document.getElementById('content');

// An element with attributes and children; text is never read as HTML.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((each) => each !== null));
  return element;
}

function addSection(id, title, note, parent = main) {
  const heading = make('h2', { id: `${id}-title` }, title);
  const section = make('section', { id, 'aria-labelledby': heading.id }, heading);
  if (note) section.append(make('p', { class: 'note' }, note));
  parent.append(section);
  document.getElementById('contents').append(
    make('li', {}, make('a', { href: `#${id}` }, title)));
  return section;
}

// A choice with a label; options are [value, text].
function makeSelect(label, options, changed) {
  const select = make('select', { onchange: () => changed(select.value) },
    ...options.map(([value, text]) => make('option', { value }, text)));
  return [make('label', {}, label, select), select];
}

function swatch(model) {
  return make('span', { class: 'swatch', style: `background:${colourOf(model)}`, 'aria-hidden': 'true' });
}

// Okabe and Ito's colours, which the colour-blind can tell apart, without
// black and with a yellow that is seen on white.
const COLOURS = ['#2a86c8', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#b3a100', '#8c6bb1'];
const DASHES = ['solid', 'dash', 'dot', 'dashdot'];
const SYMBOLS = ['circle', 'square', 'diamond', 'triangle-up'];
const colourOf = (model) => COLOURS[model % COLOURS.length];
const dashOf = (model) => DASHES[Math.floor(model / COLOURS.length) % DASHES.length];
const symbolOf = (model) => SYMBOLS[Math.floor(model / COLOURS.length) % SYMBOLS.length];

const percent = (value) => (value === null ? '\u2013' : (100 * value).toFixed(1));
const signed = (value) => (value === null ? '\u2013' : (value > 0 ? '+' : '') + (100 * value).toFixed(1));
// Of an interval, in points; none where it is not known.
const reach = (from, to) => (from === null || to === null ? 0 : 100 * (to - from));
const interval = (low, high) => (low === null ? '' : `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`);
const compact = (value) => (value === undefined ? '\u2013' : Number(value.toPrecision(3)).toString());
const OF_A_CLASS = ': ';
const mainFigures = data.figures.map((name, index) => [name, index]).filter(([name]) => !name.includes(OF_A_CLASS));
const leastP = 2 / (data.resamples + 1);
const showP = (p) => (p === null ? '\u2013' : p < leastP + 1e-8 ? `< ${leastP.toFixed(3)}` : p.toFixed(3));
