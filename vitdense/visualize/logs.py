"""Curves of several trainings in one picture."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from vitdense.preflight.trained import curves

SUFFIXES = ('.png', '.svg', '.pdf')
# the first two are there in every training; scores of both tasks follow
USUAL = ('loss', 'lr', 'coco/bbox_mAP', 'coco/segm_mAP', 'mIoU')
# inches of one key's curves
PANEL = (6.0, 3.5)
COLUMNS = 2
# a score may have been taken once: without a mark it would not be seen
MARKED = 30

# of one run: steps and values of each key
Curves = dict[str, tuple[list[int], list[float]]]


def read_runs(runs: Sequence[Path]) -> dict[str, Curves]:
    """Read what trainings have logged, by the names they have in legends.

    Args:
        runs: Work folders. A resumed training is one curve: of a step that
            was done twice, the later one counts.

    Raises:
        ValueError: If a folder is none, has no logged values, or is given
            twice.
    """
    read: dict[str, Curves] = {}
    for run in runs:
        if not run.is_dir():
            raise ValueError(f'there is no folder {str(run)!r}')
        # same names in different parents stay apart
        shared = sum(
            each.resolve().name == run.resolve().name for each in runs
        )
        name = str(run) if shared > 1 else run.resolve().name
        if name in read:
            raise ValueError(f'{str(run)!r} is given twice')
        by_key: Curves = {}
        for step, key, value in curves(run):
            steps, values = by_key.setdefault(key, ([], []))
            steps.append(step)
            values.append(value)
        if not by_key:
            raise ValueError(
                f'{str(run)!r} has no logged values, which a training writes '
                'to */vis_data/scalars.json of its work folder'
            )
        read[name] = by_key
    return read


def choose_keys(
    runs: dict[str, Curves], wanted: Sequence[str] | None
) -> list[str]:
    """Keys to draw: those wanted, else the usual ones that a run has.

    Raises:
        ValueError: If no run has a key that is wanted, or any usual one.
    """
    known = sorted({key for by_key in runs.values() for key in by_key})
    for key in wanted or ():
        if key not in known:
            raise ValueError(
                f'no run has logged {key!r}; there are {", ".join(known)}'
            )
    keys = list(dict.fromkeys(wanted or (k for k in USUAL if k in known)))
    if not keys:
        raise ValueError(
            f'no run has logged any of {", ".join(USUAL)}; name keys by '
            f'--keys: there are {", ".join(known)}'
        )
    return keys


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a picture that cannot be written, or would replace another.

    Raises:
        ValueError: If its suffix is none of ``SUFFIXES``, its folder is not
            there, or it is there and not to be overwritten.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f'--out {str(path)!r} has to end in one of {", ".join(SUFFIXES)}'
        )
    if not path.parent.is_dir():
        raise ValueError(f'there is no folder {str(path.parent)!r} for --out')
    if path.is_dir() or (path.exists() and not overwrite):
        raise ValueError(
            f'{str(path)!r} is there; --overwrite replaces a file'
        )


def draw(runs: dict[str, Curves], keys: Sequence[str]) -> Figure:
    """Draw a panel for each key, with a curve for each run that has it."""
    columns = min(COLUMNS, len(keys))
    rows = -(-len(keys) // columns)
    figure = Figure(
        figsize=(PANEL[0] * columns, PANEL[1] * rows), layout='constrained'
    )
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for panel, key in zip(panels, keys, strict=False):
        for number, (name, by_key) in enumerate(runs.items()):
            if key not in by_key:
                continue
            steps, values = by_key[key]
            panel.plot(
                steps,
                values,
                color=f'C{number}',  # a run's colour in every panel
                marker='o' if len(steps) <= MARKED else '',
                markersize=3,
                # a dollar would begin a formula
                label=name.replace('$', r'\$'),
            )
        panel.set_title(key.replace('$', r'\$'))
        panel.set_xlabel('step')
        panel.grid(visible=True, alpha=0.3)
        panel.legend(fontsize='small')
    for panel in list(figure.axes)[len(keys) :]:
        panel.remove()
    return figure
