"""The configs that come with vitdense, in a checkout and in a wheel."""

from difflib import get_close_matches
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[1].joinpath('.mim/configs')
CONFIGS = CONFIGS.resolve()  # in a checkout a link


def ready_configs() -> dict[str, Path]:
    """Those that a model can be trained by: file names without ``.py``."""
    found = sorted(CONFIGS.glob('*/*.py'))
    return {path.stem: path for path in found if path.parent.name[0] != '_'}


def find_config(name: str) -> Path:
    """A config by its path, or a ready one by its name.

    Args:
        name: A path; or the name of a ready config, with or without its
            folder and ``.py``.

    Raises:
        FileNotFoundError: If it is neither, naming the nearest.
    """
    if Path(name).is_file():
        return Path(name)
    ready = ready_configs()
    asked = Path(name.removesuffix('.py'))
    path = ready.get(asked.name)
    if path and path.with_suffix('').parts[-len(asked.parts) :] == asked.parts:
        return path
    near = get_close_matches(asked.name, ready, n=3, cutoff=0.6)
    hint = f'; ready ones of similar names are {near}' if near else ''
    raise FileNotFoundError(f'no config at {name!r}{hint}')
