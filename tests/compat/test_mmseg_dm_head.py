"""mmseg's DMHead, on maps in any order of memory."""

import torch
from mmseg.models.decode_heads import DMHead

import vitdense  # noqa: F401 - repairs the head


def test_maps_in_any_order_of_memory_give_the_same() -> None:
    torch.manual_seed(0)
    head = DMHead(
        filter_sizes=(1, 3), in_channels=8, channels=4, num_classes=3
    ).eval()
    maps = torch.randn(2, 8, 6, 5)
    last = maps.contiguous(memory_format=torch.channels_last)
    wanted, found = head([maps]), head([last])
    torch.testing.assert_close(found, wanted)
