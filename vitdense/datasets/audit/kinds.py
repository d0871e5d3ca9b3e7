"""All that can be found, how bad it is, and what a cleaned copy does.

Names are public: reports carry them, and people filter by them.
"""

import reprlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

ERROR, WARNING = 'error', 'warning'

# A name of ``KINDS``, and what is there, in words.
Fault = tuple[str, str]
Size = tuple[int, int]  # height, width, in pixels


class Kind(NamedTuple):
    """A kind of finding.

    Attributes:
        severity: ``ERROR`` or ``WARNING``.
        meaning: What it says of the data.
        cure: What a cleaned copy does; empty where people have to decide.
    """

    severity: str
    meaning: str
    cure: str


NEW_ID = 'gives it a new id'
NO_IMAGE = 'leaves out the image'
NO_ANNOTATION = 'leaves out the annotation'
NO_PAIR = 'leaves out image and label map'
BOX_OF_MASK = 'takes the box of the mask; without one, leaves it out'
SIZE_OF_FILE = "takes the file's"

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        # what the annotation file lists
        'entry-malformed': Kind(
            ERROR, 'an entry of a list is no JSON object', 'leaves it out'
        ),
        'key-missing': Kind(
            ERROR,
            'an entry lacks a key that training or evaluation reads',
            'box, area and size are taken from mask and file, iscrowd is 0; '
            'else leaves it out',
        ),
        'category-id-invalid': Kind(ERROR, 'not an integer', ''),
        'category-id-duplicate': Kind(
            ERROR,
            'two categories have one id',
            'leaves out repeats; with two names, people have to decide',
        ),
        'category-name-invalid': Kind(ERROR, 'missing, or not a text', ''),
        'category-name-duplicate': Kind(
            ERROR,
            'two ids have one name, which shifts the labels of mmdet',
            'joins them under the first id',
        ),
        'class-without-category': Kind(
            ERROR, 'a class of the config is no category of the file', ''
        ),
        'image-id-invalid': Kind(ERROR, 'not an integer', NO_IMAGE),
        'image-id-duplicate': Kind(
            ERROR,
            'two images have one id',
            'leaves out repeats; of different images, all',
        ),
        'image-size-invalid': Kind(
            ERROR, 'width or height is not a positive integer', SIZE_OF_FILE
        ),
        'file-name-duplicate': Kind(
            WARNING,
            'one file is listed under two ids',
            'joins them under the first id',
        ),
        'annotation-id-invalid': Kind(ERROR, 'not an integer', NEW_ID),
        'annotation-id-duplicate': Kind(
            ERROR, 'two annotations have one id', NEW_ID
        ),
        'annotation-id-zero': Kind(
            WARNING,
            'pycocotools takes a detection that matches id 0 for unmatched',
            NEW_ID,
        ),
        'image-unknown': Kind(ERROR, 'image_id names no image', NO_ANNOTATION),
        'category-unknown': Kind(
            ERROR, 'category_id names no category', NO_ANNOTATION
        ),
        'annotation-duplicate': Kind(
            WARNING,
            'image, category, box and mask are those of another',
            NO_ANNOTATION,
        ),
        # each annotation
        'box-malformed': Kind(ERROR, 'not four finite numbers', BOX_OF_MASK),
        'box-empty': Kind(ERROR, 'without area', BOX_OF_MASK),
        'box-tiny': Kind(
            WARNING,
            'narrower or lower than a pixel: mmdet leaves it out of training',
            NO_ANNOTATION,
        ),
        'box-outside': Kind(ERROR, 'wholly outside of the image', BOX_OF_MASK),
        'box-over-edge': Kind(
            WARNING, 'more than a pixel beyond the image', 'cuts it there'
        ),
        'mask-missing': Kind(
            ERROR, 'none, where others of the file have one', NO_ANNOTATION
        ),
        'mask-malformed': Kind(
            ERROR,
            'neither polygons of three points or more nor run lengths that '
            'can be decoded',
            'leaves out that polygon; if none is left, the annotation',
        ),
        'mask-size-wrong': Kind(
            ERROR, 'run lengths of another size than the image', NO_ANNOTATION
        ),
        'mask-empty': Kind(ERROR, 'covers no pixel', NO_ANNOTATION),
        'mask-outside-box': Kind(
            ERROR, 'reaches beyond its box', 'takes the box of the mask'
        ),
        'crowd-flag-invalid': Kind(
            ERROR, 'iscrowd is neither 0 nor 1', 'writes 0'
        ),
        'crowd-polygon': Kind(
            WARNING,
            'a crowd has polygons, in place of run lengths',
            'writes run lengths',
        ),
        'area-invalid': Kind(
            ERROR,
            'not a positive number: mmdet leaves the annotation out',
            'takes the area of the mask, or else of the box',
        ),
        'area-wrong': Kind(
            WARNING,
            'far from that of the mask, or larger than the box',
            'takes the area of the mask, or else of the box',
        ),
        # files of pixels
        'image-missing': Kind(ERROR, 'there is no such file', NO_IMAGE),
        'image-truncated': Kind(ERROR, 'the file is cut off', NO_IMAGE),
        'image-unreadable': Kind(ERROR, 'cannot be decoded', NO_IMAGE),
        'image-size-wrong': Kind(
            ERROR,
            'has another size than the annotation file says',
            SIZE_OF_FILE,
        ),
        'image-turned': Kind(
            ERROR,
            'EXIF turns the picture at loading, and its annotations are of '
            'the unturned one',
            'sets the orientation of a JPEG to 1; leaves others out',
        ),
        'image-maybe-turned': Kind(
            WARNING,
            'EXIF turns or mirrors the picture at loading, and sizes do not '
            'tell whether its annotations are of the turned one',
            '',
        ),
        'image-shared': Kind(
            ERROR,
            'training and validation have the same picture',
            'leaves it out of training',
        ),
        'image-name-shared': Kind(
            WARNING,
            'training and validation have a file name in common, and the '
            'pictures were not compared',
            '',
        ),
        'label-map-missing': Kind(ERROR, 'there is no such file', NO_PAIR),
        'label-map-truncated': Kind(ERROR, 'the file is cut off', NO_PAIR),
        'label-map-unreadable': Kind(ERROR, 'cannot be decoded', NO_PAIR),
        'label-map-size-wrong': Kind(
            ERROR, 'has another size than its image', NO_PAIR
        ),
        'label-map-rgb': Kind(
            ERROR, 'has colours in place of labels', NO_PAIR
        ),
        'label-map-16-bit': Kind(
            WARNING,
            'more than 8 bits a pixel, of which mmseg keeps 8',
            'writes 8 bits',
        ),
        'label-map-palette': Kind(
            WARNING,
            'a palette: its indices are read by Pillow, its colours by OpenCV',
            'writes the indices',
        ),
        'label-out-of-range': Kind(
            ERROR, 'a label is outside of the classes', 'ignores these pixels'
        ),
    }
)


class Finding(NamedTuple):
    """Something that was found.

    Attributes:
        kind: A name of ``KINDS``.
        place: The entry, such as ``annotations[3]``, or a file.
        detail: What is there, in words.
        id: The id of the entry, where it has one.
    """

    kind: str
    place: str
    detail: str
    id: object = None

    def __str__(self) -> str:
        number = '' if self.id is None else f' id {self.id!r}'
        return f'{self.place}{number}: {self.detail}'


def shown(value: object) -> str:
    """A value of a file in words, of which some are long."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = 80
    return brief.repr(value)
