// Which two models the sections below compare.
const pair = { index: 0, flipped: false, changed: [] };

function chosen() {
  const difference = data.differences[pair.index];
  const [first, second] = pair.flipped ? [difference.second, difference.first] : [difference.first, difference.second];
  return { difference, first, second, sign: pair.flipped ? -1 : 1 };
}

function addPair() {
  if (!data.differences.length) return;
  const section = addSection('pair', 'Two models', 'The sections below are about these two.');
  const options = data.models.map((model, index) => [index, model.name]);
  const say = make('p', { 'aria-live': 'polite' });
  const [firstLabel, first] = makeSelect('First', options, () => choose(first));
  const [secondLabel, second] = makeSelect('Second', options, () => choose(second));
  second.value = '1';
  let before = ['0', '1'];
  function choose(moved) {
    // the same model twice is no pair: the other one steps aside
    if (first.value === second.value) {
      if (moved === first) second.value = before[0];
      else first.value = before[1];
    }
    before = [first.value, second.value];
    const [one, two] = before.map(Number);
    pair.index = data.differences.findIndex((each) => each.first === Math.min(one, two) && each.second === Math.max(one, two));
    pair.flipped = one > two;
    const at = mainFigures[0][1];
    const { difference, sign } = chosen();
    const known = difference.low[at] !== null;
    const ends = [sign * difference.low[at], sign * difference.high[at]].sort((a, b) => a - b);
    say.textContent = difference.values[at] === null ? '' : `${data.models[two].name} less ${data.models[one].name}: ${signed(sign * difference.values[at])} points of ${data.figures[at]}${known ? ` (${interval(...ends)}; p ${showP(difference.p[at])})` : ''}.`;
    for (const show of pair.changed) show();
  }
  section.append(make('div', { class: 'tools chooser' }, firstLabel, secondLabel), say);
  addClasses(section);
  addConfig(section);
  addGallery(section);
  choose(first);
}

function addClasses(parent) {
  const figures = data.figures.map((name, index) => [name, index]).filter(([name]) => name.includes(OF_A_CLASS));
  const groups = [...new Set(figures.map(([name]) => name.slice(0, name.indexOf(OF_A_CLASS))))];
  if (!groups.length) return;
  const section = addSection('classes', 'Class by class',
    'Second less first, in percentage points, with intervals. Of many classes some intervals leave out 0 by chance: one in twenty. A class whose objects are in one image has none.', parent);
  const plot = make('div', { class: 'plot' });
  const frame = make('div', { class: 'tall', tabindex: '0', role: 'region', 'aria-label': 'Plot of classes' }, plot);
  const table = make('div');
  const show = () => {
    const { difference, first, second, sign } = chosen();
    const rows = figures.filter(([name]) => name.startsWith(group.value + OF_A_CLASS)).map(([name, at]) => ({
      name: name.slice(group.value.length + OF_A_CLASS.length), at,
      value: difference.values[at] === null ? null : sign * difference.values[at],
      low: sign > 0 ? difference.low[at] : difference.high[at] === null ? null : -difference.high[at],
      high: sign > 0 ? difference.high[at] : difference.low[at] === null ? null : -difference.low[at],
    })).filter((row) => row.value !== null).sort((a, b) => a.value - b.value);
    draw(plot, `Differences of ${rows.length} classes`, (now) => ({
      traces: [{
        type: 'scatter', mode: 'markers', orientation: 'h', showlegend: false,
        x: rows.map((row) => 100 * row.value), y: rows.map((_, index) => index),
        text: rows.map((row) => plain(row.name)), hovertemplate: '%{text}: %{x:+.1f}<extra></extra>',
        marker: { size: 8, color: rows.map((row) => (row.low === null ? now.quiet : row.low > 0 ? now.better : row.high < 0 ? now.worse : now.quiet)) },
        error_x: { type: 'data', symmetric: false, array: rows.map((row) => reach(row.value, row.high)),
          arrayminus: rows.map((row) => reach(row.low, row.value)), color: now.quiet, thickness: 1.2, width: 3 },
      }],
      layout: {
        height: Math.max(240, 22 * rows.length + 80),
        margin: { l: 20, r: 15, t: 50, b: 10 },
        xaxis: { title: { text: `${plain(group.value)}, points` }, zeroline: true, side: 'top' },
        yaxis: { tickmode: 'array', tickvals: rows.map((_, index) => index), showgrid: false, zeroline: false,
          ticktext: rows.map((row) => plain(row.name.length > 24 ? `${row.name.slice(0, 23)}\u2026` : row.name)),
          range: [-0.7, rows.length - 0.3] },
      },
    }));
    table.replaceChildren(...makeTable('Differences of classes',
      ['class', data.models[first].name, data.models[second].name, 'difference', 'interval', 'p'],
      [...rows].reverse().map((row) => [
        { text: row.name, sort: row.name },
        { text: percent(data.models[first].values[row.at]), sort: data.models[first].values[row.at] },
        { text: percent(data.models[second].values[row.at]), sort: data.models[second].values[row.at] },
        { text: signed(row.value), sort: row.value, class: judged(difference, row.at, sign) },
        { text: interval(row.low, row.high), sort: row.low },
        { text: showP(difference.p[row.at]), sort: difference.p[row.at] },
      ]), 'Filter classes'));
  };
  const [label, group] = makeSelect('Figure', groups.map((each) => [each, each]), show);
  // masks before boxes, IoU before accuracy
  group.value = groups.find((each) => each.startsWith('mask')) ?? groups[0];
  section.append(make('div', { class: 'tools' }, label), frame, table);
  pair.changed.push(show);
}

// The difference the other way round; what goes still stands before what comes.
function turnAround(lines) {
  const turned = [];
  let removed = [];
  let added = [];
  const flush = () => { turned.push(...removed, ...added); removed = []; added = []; };
  for (const line of lines) {
    if (line[0] === '+') removed.push(`-${line.slice(1)}`);
    else if (line[0] === '-') added.push(`+${line.slice(1)}`);
    else { flush(); turned.push(line.replace(/^@@ -(\S+) \+(\S+) @@/, '@@ -$2 +$1 @@')); }
  }
  flush();
  return turned;
}

function addConfig(parent) {
  if (data.differences.every((each) => each.config === null)) return;
  const section = addSection('config', 'Configs', 'What differs, as a unified difference: \u2212 is the first model\u2019s, + the second\u2019s.', parent);
  const place = make('div');
  section.append(place);
  pair.changed.push(() => {
    const { difference, sign } = chosen();
    const lines = difference.config;
    if (lines === null) { place.replaceChildren(make('p', {}, 'One of the two has no config.')); return; }
    if (!lines.length) { place.replaceChildren(make('p', {}, 'The configs are the same.')); return; }
    const shown = sign > 0 ? lines : turnAround(lines);
    const classes = { '+': 'better', '-': 'worse', '@': 'quiet' };
    place.replaceChildren(make('pre', { class: 'diff', tabindex: '0', role: 'region', 'aria-label': 'Difference of configs' },
      ...shown.map((line) => make('span', { class: classes[line[0]] || '' }, line || ' '))));
  });
}
