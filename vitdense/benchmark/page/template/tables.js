// A table whose columns sort and whose rows are filtered by their first cell.
// Columns are {title, first}; cells {text, small, sort, class, swatch}.
function makeTable(label, columns, rows, filterLabel) {
  let order = { column: null, down: true };
  const body = make('tbody');
  const heads = columns.map((column, index) => make('th', { scope: 'col', 'aria-sort': 'none' },
    make('button', { type: 'button', onclick: () => sortBy(index) }, column)));
  const table = make('table', { 'aria-label': label }, make('thead', {}, make('tr', {}, ...heads)), body);
  const filter = make('input', { type: 'search', oninput: fill });

  function sortBy(index) {
    order = { column: index, down: order.column === index ? !order.down : index > 0 };
    heads.forEach((head, at) => head.setAttribute(
      'aria-sort', at !== index ? 'none' : order.down ? 'descending' : 'ascending'));
    fill();
  }
  function compare(one, two) {
    const [a, b] = [one[order.column].sort, two[order.column].sort];
    if (a === null || b === null) return (a === null) - (b === null);
    const difference = typeof a === 'string' ? a.localeCompare(b) : a - b;
    return order.down ? -difference : difference;
  }
  function fill() {
    const wanted = filter.value.trim().toLowerCase();
    let shown = rows.filter((row) => row[0].text.toLowerCase().includes(wanted));
    if (order.column !== null) shown = [...shown].sort(compare);
    body.replaceChildren(...shown.map((row) => make('tr', {}, ...row.map((cell, index) => make(
      index ? 'td' : 'th', index ? { class: cell.class || '' } : { scope: 'row' },
      cell.swatch === undefined ? null : swatch(cell.swatch), cell.text,
      cell.small ? make('small', {}, cell.small) : null)))));
  }
  fill();
  const parts = [make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, table)];
  if (filterLabel) parts.unshift(make('div', { class: 'tools' }, make('label', {}, filterLabel, filter)));
  return parts;
}

function addSummary() {
  const section = addSection('summary', 'Summary',
    `In percent, with ${100 * data.level}% intervals over images. The highest value of a column is bold; whether it is surely the highest, the differences below tell.`);
  const names = mainFigures.map(([name]) => name);
  const kinds = [...new Set(names.map((name) => name.split(' ')[0]))];
  const place = make('div');
  const groups = [['', 'all figures'], ...(names.some((name) => name.includes(' ')) ? kinds.map((kind) => [kind, kind === 'box' ? 'boxes' : 'masks']) : [])];
  const [label, select] = makeSelect('Figures', groups, show);
  if (groups.length > 2) section.append(make('div', { class: 'tools' }, label));
  section.append(place);
  const costs = [...new Set(data.models.flatMap((model) => Object.keys(model.cost)))];

  function show(kind) {
    const chosen = mainFigures.filter(([name]) => !kind || name.startsWith(`${kind} `));
    const best = chosen.map(([, at]) => Math.max(...data.models.map((model) => model.values[at] ?? -1)));
    const rows = data.models.map((model, number) => [
      { text: model.name, sort: model.name, swatch: number },
      ...chosen.map(([, at], index) => ({
        text: percent(model.values[at]) + (model.spread[at] === null ? '' : ` \u00b1 ${percent(model.spread[at])}`),
        small: interval(model.low[at], model.high[at]),
        sort: model.values[at],
        class: data.models.length > 1 && model.values[at] === best[index] ? 'best' : '',
      })),
      ...costs.map((cost) => ({ text: compact(model.cost[cost]), sort: model.cost[cost] ?? null })),
    ]);
    place.replaceChildren(...makeTable('Summary of models', ['model', ...chosen.map(([name]) => name), ...costs], rows, 'Filter models'));
  }
  if (groups.length > 2) select.value = kinds[kinds.length - 1];
  show(groups.length > 2 ? select.value : '');
  if (data.models.some((model) => model.runs > 1)) {
    section.append(make('p', { class: 'note' }, '\u00b1 is the standard deviation over the runs of a model, which differ by their seed.'));
  }
}

function addDifferences() {
  if (!data.differences.length) return;
  const section = addSection('differences', 'Differences',
    'Of each pair of models on the same images, in percent, with interval and p-value. Who looks at many pairs should ask for a smaller p than 0.05.');
  const place = make('div');
  const [label] = makeSelect('Figure', mainFigures.map(([name, index]) => [index, name]), show);
  section.append(make('div', { class: 'tools' }, label), place);
  function show(figure) {
    const rows = data.differences.map((each) => [
      { text: `${data.models[each.second].name} less ${data.models[each.first].name}`, sort: data.models[each.second].name },
      { text: signed(each.values[figure]), sort: each.values[figure], class: judged(each, figure) },
      { text: interval(each.low[figure], each.high[figure]), sort: each.low[figure] },
      { text: showP(each.p[figure]), sort: each.p[figure] },
    ]);
    place.replaceChildren(...makeTable('Differences of models', ['pair', 'difference', 'interval', 'p'], rows));
  }
  show(mainFigures[0][1]);
}

// Coloured only where the interval leaves out 0.
function judged(difference, figure, sign = 1) {
  if (difference.low[figure] === null) return '';
  if (difference.low[figure] > 0) return sign > 0 ? 'better' : 'worse';
  return difference.high[figure] < 0 ? (sign > 0 ? 'worse' : 'better') : '';
}
