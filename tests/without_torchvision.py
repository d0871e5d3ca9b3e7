"""Runs a script where a stand-in answers for torchvision, if that is missing:
``without_torchvision.py SCRIPT ARGS``."""

import runpy
import sys
from pathlib import Path

from vitdense.benchmark.torchvision_stub import stand_in_for_torchvision

if __name__ == '__main__':
    stand_in_for_torchvision()
    import torchvision

    # mmengine writes it into the log
    vars(torchvision).setdefault('__version__', 'a stand-in')
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name='__main__')
