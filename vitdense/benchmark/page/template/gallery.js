const viewer = document.getElementById('viewer');

// A photograph with something over it; chosen, it is shown large.
function stack(image, layer, label) {
  const layers = [image.photo, layer].filter(Boolean);
  const button = make('button', { type: 'button', class: 'stack', 'aria-label': `${label}: enlarge`,
    style: `aspect-ratio:${image.width}/${image.height}`,
    onclick: () => enlarge(image, layers, label) },
  ...layers.map((src) => make('img', { src, alt: '', loading: 'lazy' })));
  return button;
}

function enlarge(image, layers, label) {
  const ratio = image.width / image.height;
  viewer.replaceChildren(make('p', {}, label), make('button', {
    type: 'button', class: 'stack', 'aria-label': 'Close', onclick: () => viewer.close(),
    style: `aspect-ratio:${image.width}/${image.height};width:min(90vw,${(82 * ratio).toFixed(1)}vh)`,
  }, ...layers.map((src) => make('img', { src, alt: '' }))));
  viewer.showModal();
}

function figure(image, layer, label, detail) {
  return make('figure', {}, make('figcaption', {}, label, detail ? make('small', {}, detail) : null), stack(image, layer, label));
}

function addGallery(parent) {
  const gallery = data.gallery;
  if (!gallery) return;
  const [how, ...thresholds] = gallery.about;
  const scores = thresholds.map((each, index) => `${data.models[index].name} ${each}`).join(', ');
  const section = addSection('gallery', 'Where the two disagree most', how + scores + (scores ? '.' : ''), parent);
  if (!gallery.photos) section.append(make('p', { class: 'note' }, 'The folder of the pictures was not known: --images names it.'));
  const key = thresholds.length
    ? [['#2fbf71', 'right'], ['#ff5a36', 'wrong, dashed, with the reason'], ['#ff4fd8', 'missed, dotted'], ['#4cc9f0', 'truth']]
    : [['#eb2828', 'wrong']];
  section.append(make('ul', { class: 'legend', 'aria-label': 'Colours' }, ...key.map(
    ([colour, text]) => make('li', {}, make('span', { class: 'swatch', style: `background:${colour}` }), text))));
  const place = make('div');
  section.append(place);
  pair.changed.push(() => {
    const { first, second } = chosen();
    const entries = gallery.pairs[pair.index];
    if (!entries.length) { place.replaceChildren(make('p', {}, 'They disagree on no image.')); return; }
    place.replaceChildren(...entries.map(([number, said]) => {
      const image = gallery.images[number];
      const shown = [figure(image, image.truth, 'truth', '\u00a0')];
      // labels hide much of a picture, outlines do not
      if (!thresholds.length && image.photo) shown.push(figure(image, null, 'picture', '\u00a0'));
      [first, second].forEach((model, index) => {
        const [says, wrong] = image.models[model];
        const text = said[pair.flipped ? 1 - index : index];
        shown.push(figure(image, says, data.models[model].name, text));
        if (wrong) shown.push(figure(image, wrong, `${data.models[model].name}: wrong pixels`, text));
      });
      const legend = image.legend.filter(([, , by]) => by === null || by.includes(first) || by.includes(second));
      return make('article', { class: 'card' }, make('h3', {}, image.name),
        make('div', { class: thresholds.length ? 'pictures' : 'pictures of-labels' }, ...shown),
        legend.length ? make('ul', { class: 'legend', 'aria-label': 'Classes' }, ...legend.map(([name, colour]) =>
          make('li', {}, make('span', { class: 'swatch', style: `background:rgb(${colour})` }), name))) : null);
    }));
  });
}
