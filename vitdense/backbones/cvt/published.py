"""Published checkpoints of CvT.

Read in the README of microsoft/CvT f851e68.
"""

from collections.abc import Mapping
from types import MappingProxyType

from vitdense.backbones.family import Published

_ON_A_DRIVE = Published(
    why='the authors share CvT on a drive (https://1drv.ms/u/'
    's!AhIXJn_J-blW9RzF3rMW7SsLHa8h) that cannot be downloaded from by '
    'address; fetch the file in a browser and give its path, or use '
    "transformers' file of the same weights"
)

PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {'13': _ON_A_DRIVE, '21': _ON_A_DRIVE, 'w24': _ON_A_DRIVE}
)
