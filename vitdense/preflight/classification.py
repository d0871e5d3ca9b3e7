"""Classification, by mmpretrain: an extra, whose folders are classes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def check_installed(config: str) -> None:
    """See that mmpretrain is there, and what it needs.

    Args:
        config: What messages call the config that needs it.

    Raises:
        ValueError: If a package is missing.
    """
    try:
        import mmpretrain.models  # noqa: F401
    except ModuleNotFoundError as error:
        package = str(error.name).partition('.')[0]
        raise ValueError(
            f'{config}: classification needs {package}, which is not '
            'installed; vitdense has it as the extra pretrain: pip install '
            '-e .[pretrain], in its folder'
        ) from None


def check_ranks(
    split: str, evaluators: Iterable[Mapping[str, Any]], classes: int
) -> None:
    """See that no accuracy counts more guesses than there are classes.

    mmpretrain refuses it after the first epoch.

    Args:
        split: Whose evaluators they are: 'val' or 'test'.
        evaluators: Their settings.
        classes: How many classes there are.

    Raises:
        ValueError: If one does.
    """
    for each in evaluators:
        ranks = each.get('topk') or (1,)
        most = ranks if isinstance(ranks, int) else max(ranks)
        if most > classes:
            raise ValueError(
                f'{split}_evaluator.topk={ranks}: there are {classes} '
                f'classes; set it to 1 with --cfg-options '
                f'{split}_evaluator.topk=1'
            )


def has_class_folders(dataset: Any) -> bool:
    """Whether a data set takes folders for classes, as mmpretrain's do."""
    of_folders = hasattr(dataset, 'is_valid_file') and not dataset.ann_file
    return of_folders and bool(getattr(dataset, 'with_label', False))


def class_folders(dataset: Any) -> tuple[str, ...]:
    """Names of the folders, which are its classes, in their order."""
    folder = Path(dataset.img_prefix)
    if not folder.is_dir():  # checked elsewhere
        return ()
    return tuple(sorted(e.name for e in folder.iterdir() if e.is_dir()))


def check_class_folders(place: str, dataset: Any) -> None:
    """See that there are as many folders as classes, none without pictures.

    Args:
        place: Where in the config the data set is.
        dataset: One that `has_class_folders`.

    Raises:
        ValueError: If not, naming the folder.
    """
    key, folder = f'{place}.data_prefix.img_path', Path(dataset.img_prefix)
    found = class_folders(dataset)
    if not found:
        raise ValueError(f'{key}: no folder of a class in {str(folder)!r}')
    classes = dataset.metainfo.get('classes') or found
    if len(classes) != len(found):
        raise ValueError(
            f'{key}: {str(folder)!r} has {len(found)} folders, but '
            f'{place}.metainfo names {len(classes)} classes'
        )
    for name in found:
        files = (folder / name).rglob('*')
        if not any(dataset.is_valid_file(each.name) for each in files):
            raise ValueError(
                f'{key}: the class {name!r} has no picture; choose from '
                f'{sorted(dataset.extensions)}'
            )


def check_same_classes(first: Any, place: str, dataset: Any) -> None:
    """See that a data set has the folders of another one.

    A class's number is the place of its folder among the others: one more or
    less would give the rest other numbers.

    Args:
        first: A data set that `has_class_folders`.
        place: Where in the config the other is.
        dataset: The other.

    Raises:
        ValueError: If a folder is in one of them alone, naming it.
    """
    ours, theirs = set(class_folders(first)), set(class_folders(dataset))
    for names, there, missing in (
        (ours - theirs, first, dataset),
        (theirs - ours, dataset, first),
    ):
        if names:
            raise ValueError(
                f'{place}.data_prefix.img_path: the class {min(names)!r} is '
                f'in {there.img_prefix!r}, but not in {missing.img_prefix!r}'
            )
