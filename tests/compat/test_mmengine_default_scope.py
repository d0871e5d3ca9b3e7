"""The scope that a config chose is found beneath the scopes of its parts."""

from collections import OrderedDict

import pytest
from mmengine.registry import DefaultScope

from vitdense.compat.mmengine_default_scope import innermost_scope_but


def test_the_innermost_other_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())
    assert innermost_scope_but('vitdense') is None
    DefaultScope.get_instance('run', scope_name='mmdet')
    with DefaultScope.overwrite_default_scope('vitdense'):
        assert innermost_scope_but('vitdense') == 'mmdet'
        with DefaultScope.overwrite_default_scope('mmseg'):
            assert innermost_scope_but('vitdense') == 'mmseg'
    assert innermost_scope_but('mmdet') is None
