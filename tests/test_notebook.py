"""The notebook of the documentation does what it shows."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from interpreter import ROOT

NOTEBOOK = ROOT / 'docs/first-model.ipynb'
FEW_STEPS = 20  # of training, where it is only run
SOME_MIOU = 10  # percent, after these; who calls all of it ground has 17


def code(notebook: Any) -> list[Any]:
    """Its cells of code, in order."""
    return [each for each in notebook['cells'] if each['cell_type'] == 'code']


def outputs(notebook: Any) -> list[Any]:
    """Of all of them."""
    return [output for cell in code(notebook) for output in cell['outputs']]


def text(notebook: Any) -> str:
    """What they have printed."""
    return ''.join(''.join(each.get('text', '')) for each in outputs(notebook))


def pictures(notebook: Any) -> int:
    """How many they have shown."""
    shown = [each.get('data', {}) for each in outputs(notebook)]
    return sum('image/jpeg' in each for each in shown)


def miou(notebook: Any) -> float:
    """What its model scores, in percent."""
    return float(re.findall(r'mIoU: (\S+)', text(notebook))[-1])


def test_outputs_are_there_and_of_nobodys_machine() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    counts = [cell['execution_count'] for cell in code(notebook)]
    assert counts == [*range(1, len(counts) + 1)]
    assert pictures(notebook) == 2
    assert miou(notebook) > 30
    assert not re.findall(
        r'(?<![\w.])/(?:home|root|tmp|Users)/', text(notebook)
    )
    assert 'Traceback' not in text(notebook)


@pytest.mark.slow
def test_goes_from_pictures_to_a_trained_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat  # of the extra for docs, as the next
    from nbclient import NotebookClient

    own = Path(sys.executable).parent
    monkeypatch.setenv('PATH', f'{own}{os.pathsep}{os.environ["PATH"]}')
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in code(notebook):
        cell['outputs'] = []
        cell['source'] = cell['source'].replace(
            'STEPS = 300', f'STEPS = {FEW_STEPS}'
        )
    # raises if a cell does
    NotebookClient(
        notebook, timeout=900, resources={'metadata': {'path': tmp_path}}
    ).execute()
    assert pictures(notebook) == 2
    assert miou(notebook) > SOME_MIOU
