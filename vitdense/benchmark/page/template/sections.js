// The models that no other beats in both cost and accuracy, cheapest first.
function paretoFront(points) {
  const sorted = [...points].sort((a, b) => a.cost - b.cost || b.value - a.value);
  let best = -Infinity;
  return sorted.filter((point) => point.value > best && (best = point.value, true));
}

function addCosts() {
  const costs = [...new Set(data.models.flatMap((model) => Object.keys(model.cost)))];
  if (!costs.length) return;
  const section = addSection('costs', 'Accuracy and cost',
    'Up and left is better. The line joins the models that none beats in both; bars are intervals of the accuracy.');
  const plot = make('div', { class: 'plot' });
  const show = () => draw(plot, `Accuracy against ${cost.value}`, (now) => {
    const at = Number(figure.value);
    const points = data.models.map((model, number) => ({
      model, number, cost: model.cost[cost.value], value: model.values[at],
    })).filter((point) => point.cost !== undefined && point.value !== null);
    const front = paretoFront(points);
    const traces = [{
      x: front.map((each) => each.cost), y: front.map((each) => 100 * each.value),
      mode: 'lines', name: 'Pareto front', line: { color: now.quiet, dash: 'dot' }, hoverinfo: 'skip',
    }, ...points.map(({ model, number, cost: x, value }) => ({
      x: [x], y: [100 * value], name: plain(model.name), mode: 'markers',
      marker: { color: colourOf(number), symbol: symbolOf(number), size: 11 },
      error_y: { type: 'data', symmetric: false, array: [reach(value, model.high[at])],
        arrayminus: [reach(model.low[at], value)], color: colourOf(number), thickness: 1.2 },
    }))];
    return { traces, layout: {
      xaxis: { title: { text: plain(cost.value) }, rangemode: 'tozero' },
      yaxis: { title: { text: `${plain(data.figures[at])}, %` } } } };
  });
  const [costLabel, cost] = makeSelect('Cost', costs.map((each) => [each, each]), show);
  const [figureLabel, figure] = makeSelect('Accuracy', mainFigures.map(([name, index]) => [index, name]), show);
  section.append(make('div', { class: 'tools' }, costLabel, figureLabel), plot);
  show();
}

function addErrors() {
  const kinds = Object.keys(data.models[0].errors);
  if (!kinds.length) return;
  const section = addSection('errors', 'Types of errors',
    'As TIDE defines them: what AP50 would gain without the errors of one type, in percentage points.');
  const words = { cls: 'wrong class', loc: 'badly placed', both: 'class and place', dupe: 'duplicate', bkg: 'nothing there', miss: 'missed' };
  const plot = make('div', { class: 'plot' });
  const table = make('div');
  const show = () => {
    draw(plot, 'Types of errors of each model', () => ({
      traces: data.models.map((model, number) => ({
        type: 'bar', name: plain(model.name), marker: { color: colourOf(number) },
        x: data.error_types.map((each) => words[each] || each),
        y: model.errors[kind.value].gains.map((gain) => 100 * gain),
        text: model.errors[kind.value].counts.map((count) => `${Math.round(count)} of them`),
        textposition: 'none', hovertemplate: '%{y:.1f} points, %{text}',
      })),
      layout: { barmode: 'group', xaxis: { type: 'category' }, yaxis: { title: { text: 'gain of AP50, points' } } },
    }));
    table.replaceChildren(...makeTable('Types of errors', ['model', ...data.error_types.map((each) => words[each] || each)],
      data.models.map((model, number) => [{ text: model.name, sort: model.name, swatch: number },
        ...model.errors[kind.value].gains.map((gain, index) => ({ text: percent(gain), sort: gain,
          small: `${Math.round(model.errors[kind.value].counts[index])}` }))])));
  };
  const [label, kind] = makeSelect('Of', kinds.map((each) => [each, each === 'box' ? 'boxes' : 'masks']), show);
  kind.value = kinds[kinds.length - 1];
  section.append(make('div', { class: 'tools' }, label), plot, table);
  show();
}

function addCurves() {
  const kinds = Object.keys(data.curves);
  if (!kinds.length) return;
  const section = addSection('curves', 'Precision and recall', 'At 101 recalls, as COCO has them.');
  const plot = make('div', { class: 'plot' });
  const note = make('p', { class: 'note' });
  const recalls = Array.from({ length: 101 }, (_, index) => index / 100);
  const options = () => {
    const of = data.curves[kind.value];
    what.replaceChildren(
      ...of.thresholds.map((each, index) => make('option', { value: `t${index}` }, `all classes, IoU ${each}`)),
      ...of.classes.map((each, index) => make('option', { value: `c${index}` }, `${each}, IoU 0.50`)));
    note.textContent = of.classes.length < of.of
      ? `Of ${of.of} classes the ${of.classes.length} with most objects have curves here.` : '';
    show();
  };
  const show = () => draw(plot, 'Precision against recall', () => {
    const of = data.curves[kind.value];
    const lines = what.value[0] === 't' ? of.mean : of.of_classes;
    const at = Number(what.value.slice(1));
    return {
      traces: data.models.map((model, number) => ({
        x: recalls, y: lines[number][at].map((each) => each / 1000), mode: 'lines',
        name: plain(model.name), line: { color: colourOf(number), dash: dashOf(number), width: 2 },
      })),
      layout: { xaxis: { title: { text: 'recall' }, range: [0, 1] }, yaxis: { title: { text: 'precision' }, range: [0, 1.02] }, hovermode: narrow() ? 'closest' : 'x unified' },
    };
  });
  const [kindLabel, kind] = makeSelect('Of', kinds.map((each) => [each, each === 'box' ? 'boxes' : 'masks']), options);
  const [whatLabel, what] = makeSelect('Class and threshold', [], show);
  section.append(make('div', { class: 'tools' }, kindLabel, whatLabel), plot, note);
  options();
}

function addTraining() {
  const logged = [...new Set(data.models.flatMap((model) => Object.keys(model.logged)))].sort();
  if (!logged.length) return;
  const section = addSection('training', 'Training', 'What was logged, by iterations done; of several seeds a line each.');
  const plot = make('div', { class: 'plot' });
  const show = () => draw(plot, `Training: ${what.value}`, () => ({
    traces: data.models.flatMap((model, number) => (model.logged[what.value] || []).map(([steps, values], run) => ({
      x: steps, y: values, mode: 'lines', name: plain(model.name), legendgroup: `${number}`, showlegend: run === 0,
      line: { color: colourOf(number), dash: dashOf(number), width: 1.6 },
    }))),
    layout: { xaxis: { title: { text: 'iterations' } }, yaxis: { title: { text: plain(what.value) } }, hovermode: 'closest' },
  }));
  const [label, what] = makeSelect('Logged', logged.map((each) => [each, each]), show);
  if (logged.includes('loss')) what.value = 'loss';
  section.append(make('div', { class: 'tools' }, label), plot);
  show();
}

function factList(facts) {
  return make('dl', { class: 'facts' }, ...facts.flatMap(([key, value]) => [make('dt', {}, key), make('dd', {}, value)]));
}

function addAbout() {
  const section = addSection('about', 'How it came about');
  section.append(factList(data.about));
  data.models.forEach((model, number) => {
    if (model.facts.length) section.append(make('h3', {}, swatch(number), model.name), factList(model.facts));
  });
}
