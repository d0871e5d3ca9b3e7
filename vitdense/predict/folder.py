"""The folder in which results on pictures are kept, one by one."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vitdense.checkpoint.whole_file import whole_file
from vitdense.engine.work_folder import check_free

# what results depend on, and a line for each picture that is done
SETTINGS, DONE = 'settings.json', 'done.jsonl'
# what else there may be
WRITTEN = (
    *('predictions.json', 'panoptic.json', 'classes.txt'),
    *('pictures', 'videos', 'labels', 'maps', 'panoptic', DONE, SETTINGS),
)


class Done(NamedTuple):
    """A picture whose results are kept.

    Attributes:
        name: What its results are called.
        path: Where it was; of a video's frame with ``#`` and its number.
        height: In pixels.
        width: Likewise.
        entries: Its objects or segments, as COCO has them; none of a label
            map.
    """

    name: str
    path: str
    height: int
    width: int
    entries: Sequence[Mapping[str, Any]]


class ResultsFolder:
    """Results that a run which was killed has made are not made again.

    ``left`` are names of pictures that have none yet.

    Args:
        path: Made if it is not there.
        settings: All that results depend on.
        pictures: Where they are, as in `Done`, by what results on them are
            called.
        overwrite: Whether results of other settings, or of other pictures
            that were called the same, make room.

    Raises:
        ValueError: If other results are there, or what is no result.
        FolderInUseError: If another run is writing there.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        pictures: Mapping[str, str],
        *,
        overwrite: bool,
    ) -> None:
        self.path = path
        check_free(str(path))
        self._open(json.loads(json.dumps(settings)), overwrite)
        self._done = {each.name: each for each in self._kept()}
        self.left = [
            name for name, path in pictures.items() if not self.has(name, path)
        ]
        other = [name for name in self.left if name in self._done]
        if other and not overwrite:
            raise ValueError(
                f'{str(self.path)!r} has results called {other[0]!r} of '
                f'{self._done[other[0]].path!r}, not of '
                f'{pictures[other[0]]!r}; --overwrite replaces them, or '
                'choose another --out'
            )

    def _open(self, settings: Mapping[str, Any], overwrite: bool) -> None:
        file = self.path / SETTINGS
        if file.is_file():
            before = json.loads(file.read_text())
            if before == settings:
                return
            if not overwrite:
                keys = sorted({*settings, *before})
                other = [k for k in keys if settings.get(k) != before.get(k)]
                raise ValueError(
                    f'{str(self.path)!r} has results of another '
                    f'{" and ".join(other)}; --overwrite removes them, or '
                    'choose another --out'
                )
            for name in WRITTEN:
                _remove(self.path / name)
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise ValueError(
                f'{str(self.path)!r} holds what is none of these results; '
                'choose an empty or a new folder for --out'
            )
        self.path.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as part:
            part.write_text(json.dumps(settings, indent=1))

    def _kept(self) -> list[Done]:
        file = self.path / DONE
        if not file.is_file():
            return []
        # what a killed run wrote last may be cut off
        lines = file.read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith('\n')]
        if len(whole) < len(lines):
            with whole_file(file) as part:
                part.write_text(''.join(whole))
        return [Done(*json.loads(line)) for line in whole]

    def has(self, name: str, path: str) -> bool:
        """Whether results of that picture are kept under that name."""
        kept = self._done.get(name)
        return kept is not None and kept.path == path

    def below(self, name: str) -> list[str]:
        """Names of kept results that begin with ``name/``, in order.

        Args:
            name: Such as a video's, whose frames they are.
        """
        return sorted(n for n in self._done if n.startswith(f'{name}/'))

    def place(self, kind: str, name: str) -> Path:
        """Where a file goes, in a folder that is there.

        Args:
            kind: A folder of `WRITTEN`.
            name: Of the file, maybe with folders.
        """
        path = self.path / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self, done: Done) -> None:
        """Note that all files of a picture are written."""
        self._done[done.name] = done
        with (self.path / DONE).open('a') as file:
            file.write(json.dumps(done) + '\n')

    def write_coco(self, classes: Sequence[str]) -> None:
        """Write ``predictions.json``: a whole file of COCO's format.

        Pictures are those of all runs, numbered from 1 in the order of names.

        Args:
            classes: Of the model.
        """
        annotations: list[dict[str, Any]] = []
        for image_id, done in self._numbered():
            for entry in done.entries:
                ids = {'id': len(annotations) + 1, 'image_id': image_id}
                annotations.append({**ids, **entry})
        categories = [
            {'id': number, 'name': name}
            for number, name in enumerate(classes, 1)
        ]
        self._write_json('predictions.json', annotations, categories)

    def write_panoptic(self, classes: Sequence[str], num_things: int) -> None:
        """Write ``panoptic.json``, of COCO's panoptic format.

        Args:
            classes: Of the model, those of things first.
            num_things: How many are.
        """
        annotations = [
            {
                'image_id': image_id,
                'file_name': f'{done.name}.png',
                'segments_info': done.entries,
            }
            for image_id, done in self._numbered()
        ]
        categories = [
            {'id': number, 'name': name, 'isthing': int(number <= num_things)}
            for number, name in enumerate(classes, 1)
        ]
        self._write_json('panoptic.json', annotations, categories)

    def _numbered(self) -> Iterator[tuple[int, Done]]:
        ordered = sorted(self._done.items())
        for image_id, (_, done) in enumerate(ordered, 1):
            yield image_id, done

    def _write_json(
        self,
        name: str,
        annotations: Sequence[Mapping[str, Any]],
        categories: Sequence[Mapping[str, Any]],
    ) -> None:
        images = [
            {
                'id': image_id,
                'file_name': done.path,
                'height': done.height,
                'width': done.width,
            }
            for image_id, done in self._numbered()
        ]
        content = {
            'images': images,
            'annotations': annotations,
            'categories': categories,
        }
        with whole_file(self.path / name) as part:
            part.write_text(json.dumps(content))

    def write_classes(self, classes: Sequence[str]) -> None:
        """Write ``classes.txt``: a name on each line, in the order of labels
        from 0 on."""
        with whole_file(self.path / 'classes.txt') as part:
            part.write_text(''.join(f'{name}\n' for name in classes))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
