"""One call makes all changes of other packages, and one table names them."""

import re
import sys

import mmengine.config.config as mmengine_config
from interpreter import ROOT
from mmengine.runner import CheckpointLoader

from vitdense import compat

PACKAGE = ROOT / 'vitdense'
# How a package changes another one, or looks behind its public names.
CHANGES = re.compile(
    r'sys\.meta_path|MODULE2PACKAGE|_instance_dict|register_scheme|'
    r'setattr\(module|patch_module'
)
# What importing vitdense does not run: a benchmark's worker is a process of
# its own, and a rehearsal puts back what it finds.
NOT_BY_IMPORT = {'torchvision_stub.py', 'rehearsal.py'}


def test_the_table_names_every_file():
    files = {path.stem for path in (PACKAGE / 'compat').glob('*.py')}
    rows = re.findall(r'^(mm\w+)', compat.__doc__, re.MULTILINE)
    assert sorted(rows) == sorted(files - {'__init__', 'on_import'})


def test_nothing_else_changes_other_packages():
    found = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob('*.py')
        if CHANGES.search(path.read_text())
    }
    outside = {path for path in found if path.parts[0] != 'compat'}
    assert {path.name for path in outside} <= NOT_BY_IMPORT, outside
    ours = {path for path in found if path.name.startswith('mm')}
    assert len(ours) == len(list(PACKAGE.glob('compat/mm*.py')))


def test_once_more_changes_nothing_more():
    def state():
        return (
            list(sys.meta_path),
            mmengine_config.get_installed_path,
            dict(CheckpointLoader._schemes),
        )

    before = state()
    compat.install()
    assert state() == before
