"""What a resumed run tells of the data that has changed."""

from typing import Any

import pytest
from mmengine.dataset import BaseDataset, ConcatDataset

from vitdense.engine.run_identity import _digest


class Listed(BaseDataset):
    """Some numbers."""

    def __init__(self, numbers: list[int], **settings: Any) -> None:
        self.numbers = numbers
        super().__init__(**settings)

    def load_data_list(self) -> list[dict[str, int]]:
        return [{'number': each} for each in self.numbers]


@pytest.mark.parametrize('serialize', [True, False])
@pytest.mark.parametrize('wrap', [lambda d: d, lambda d: ConcatDataset([d])])
def test_other_annotations_are_another_data_set(serialize: bool, wrap) -> None:
    def digest(*numbers: int) -> str:
        return _digest(wrap(Listed(list(numbers), serialize_data=serialize)))

    assert digest(1, 2) == digest(1, 2)
    assert digest(1, 2) != digest(1, 3)
    assert digest(1, 2) != digest(1, 2, 3)
