"""``mmcv._ext`` is found where it is missing, and only there."""

import sys
from pathlib import Path

from interpreter import ROOT, check

from vitdense.compat.mmcv_missing_extension import StandInFinder


def test_the_stand_in_is_found():
    from mmcv import _ext

    assert Path(_ext.__file__) == ROOT / 'vitdense/ops/extension.py'


def test_it_answers_for_one_name_only():
    assert StandInFinder.find_spec('mmcv._ext') is not None
    assert StandInFinder.find_spec('mmcv._extra') is None
    assert StandInFinder.find_spec('mmdet._ext') is None


def test_a_compiled_extension_wins(tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').touch()
    (package / '_ext.py').write_text('compiled = True')
    check(
        f'import sys; sys.path.insert(0, {str(tmp_path)!r})\n'
        'import vitdense, mmcv._ext as extension\n'
        'assert extension.compiled'
    )


def test_it_is_last_in_line():
    assert sys.meta_path.count(StandInFinder) == 1
