// Plots are drawn again when colours change and before printing.
const drawn = new Map();
const narrow = () => main.clientWidth < 600;

// Plotly reads a little HTML in labels: names of users are to be text.
const plain = (text) => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(['ground', 'text', 'quiet', 'line', 'accent', 'better', 'worse'].map(
    (name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// `build` gives {traces, layout} for the colours of now.
function draw(element, label, build) {
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', label);
  drawn.set(element, build);
  redraw(element);
}

function redraw(element) {
  const now = colours();
  const { traces, layout } = drawn.get(element)(now);
  const axis = { gridcolor: now.line, linecolor: now.line, zerolinecolor: now.quiet, automargin: true };
  const { xaxis, yaxis, ...others } = layout;
  Plotly.react(element, traces, {
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { family: 'system-ui, sans-serif', size: 13, color: now.text },
    hoverlabel: { bgcolor: now.ground, bordercolor: now.line, font: { color: now.text }, namelength: -1 },
    margin: { l: 55, r: 15, t: 15, b: 50 },
    legend: { orientation: 'h', y: -0.22, yanchor: 'top' },
    height: 420,
    xaxis: { ...axis, ...xaxis },
    yaxis: { ...axis, ...yaxis },
    dragmode: narrow() ? false : 'zoom',
    ...others,
  }, { responsive: true, displaylogo: false, displayModeBar: narrow() ? false : 'hover', scrollZoom: false,
    modeBarButtonsToRemove: ['lasso2d', 'select2d', 'autoScale2d'] });
}

function redrawAll() {
  for (const element of drawn.keys()) if (element.isConnected) redraw(element);
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawAll);
matchMedia('print').addEventListener('change', redrawAll);
