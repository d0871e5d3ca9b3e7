const title = data.models.map((model) => model.name).join(', ');
document.title = `Comparison: ${title}`;
document.getElementById('title').textContent = data.models.length > 4
  ? `Comparison of ${data.models.length} models` : title;
document.getElementById('lead').textContent = `${data.lead}.`;
addSummary();
addDifferences();
addCosts();
addErrors();
addCurves();
addTraining();
addPair();
addAbout();
document.documentElement.dataset.ready = 'yes';
