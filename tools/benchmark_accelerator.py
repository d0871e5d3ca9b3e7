"""Fills the accelerator tables of docs/performance.md.

Models are held against what a user would run otherwise, at sizes of
segmentation and detection, in float32 and under bfloat16 autocast, eager and
compiled; all of it takes hours. Each comparison is written as soon as it is
measured, and a section stays until it is measured again: --only fills the
page in parts.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vitdense.backbones.pyramid import known_backbones
from vitdense.benchmark.cost.measure import (
    Comparison,
    CostRow,
    Entry,
    compare,
)
from vitdense.benchmark.cost.page import ResultsPage
from vitdense.benchmark.cost.settings import Settings, parse_size
from vitdense.benchmark.cost.tables import console, show_rows
from vitdense.benchmark.cost.worker import Worker, WorkerError

ROOT = Path(__file__).resolve().parents[1]
DETECTOR = ROOT / 'configs/pvt/mask-rcnn_pvt-v2-b0_fpn_1x_coco.py'
STEP_BASELINE = (
    'mmdet.PyramidVisionTransformerV2'
    '{"embed_dims": 32, "num_layers": [2, 2, 2, 2]}'
)
STEP_BATCH = 2  # of the published schedules, on each device


class Mode(NamedTuple):
    """How the models of a section are run."""

    dtype: str
    compiled: bool

    def __str__(self) -> str:
        return f'{self.dtype}, {"compiled" if self.compiled else "eager"}'


MODES = (
    Mode('float32', compiled=False),
    Mode('bfloat16', compiled=False),
    Mode('bfloat16', compiled=True),
)


class Pair(NamedTuple):
    """A model, what it is held against, and how many images both take.

    Fewer images where the baseline writes whole maps of attention to memory.
    """

    name: str
    baseline: str
    batch: int


PAIRS = (
    Pair('vitdense.PVT:v2-b2', 'mmdet.PyramidVisionTransformerV2', 8),
    Pair('vitdense.PVT:v2-b2', 'timm:pvt_v2_b2', 8),
    Pair('vitdense.PVT:small', 'mmdet.PyramidVisionTransformer', 8),
    Pair('vitdense.CvT:13', 'transformers:cvt', 2),
    Pair('vitdense.T2TViT:14', 'plain.T2TViT:14', 2),
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--device', default='cuda', help='cpu, cuda or cuda:N')
    parser.add_argument(
        '--sizes',
        nargs='+',
        default=['512', '800x1344'],
        help='HEIGHTxWIDTH or one number, in pixels; the last one is that of '
        'the training step and of the table of all archs',
    )
    parser.add_argument('--batch', type=int, default=8, help='images, at most')
    parser.add_argument(
        '--warmup', type=int, default=3, help='runs before those timed'
    )
    parser.add_argument('--repeats', type=int, default=15, help='runs timed')
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='TEXT',
        help='sections whose titles have one of these in them',
    )
    parser.add_argument(
        '--list', action='store_true', help='print the titles and end'
    )
    parser.add_argument(
        '--page',
        type=Path,
        default=ROOT / 'docs/performance.md',
        help='Markdown file that is filled between its two marks',
    )
    parser.add_argument(
        '--json',
        type=Path,
        default=ROOT / 'work_dirs/benchmark_accelerator.json',
        help='file for all figures, those of earlier runs too',
    )
    return parser.parse_args()


def all_sections(args: argparse.Namespace) -> dict[str, list[Comparison]]:
    """What is measured for each section, by its title.

    Raises:
        ValueError: If a size or a number makes no sense.
    """
    sections: dict[str, list[Comparison]] = {}
    for size in args.sizes:
        for mode in MODES:
            sections[f'Backbones, {size}, {mode}'] = [
                Comparison(
                    'backbone',
                    [Entry(pair.name)],
                    settings(args, size, mode, pair.batch),
                    Entry(pair.baseline),
                    check=mode.dtype == 'float32',
                )
                for pair in PAIRS
            ]
    size = args.sizes[-1]
    for mode in MODES:
        sections[f'Mask R-CNN training step, {size}, {mode}'] = [
            Comparison(
                'step',
                [Entry(str(DETECTOR))],
                settings(args, size, mode, STEP_BATCH),
                Entry(f'{DETECTOR}@{STEP_BASELINE}'),
            )
        ]
    archs = [
        Entry(f'vitdense.{backbone.__name__}:{name}')
        for backbone in known_backbones()
        for name in backbone.family.archs
    ]
    for mode in MODES[1:]:
        sections[f'All archs, {size}, {mode}'] = [
            Comparison(
                'backbone', archs, settings(args, size, mode, args.batch)
            )
        ]
    return sections


def settings(
    args: argparse.Namespace, size: str, mode: Mode, batch: int
) -> Settings:
    height, width = parse_size(size)
    return Settings(
        device=args.device,
        dtype=mode.dtype,
        height=height,
        width=width,
        batch=min(batch, args.batch),
        compiled=mode.compiled,
        warmup=args.warmup,
        repeats=args.repeats,
    )


def choose(
    sections: dict[str, list[Comparison]], texts: Sequence[str] | None
) -> dict[str, list[Comparison]]:
    """The sections with one of the texts in their title; None takes all.

    Raises:
        ValueError: If a text is in no title.
    """
    for text in texts or ():
        if not any(text.lower() in title.lower() for title in sections):
            raise ValueError(
                f'--only {text!r} is in none of the titles: '
                f'{"; ".join(sections)}'
            )
    return {
        title: comparisons
        for title, comparisons in sections.items()
        if texts is None or any(t.lower() in title.lower() for t in texts)
    }


def fill(
    page: ResultsPage, title: str, comparisons: Sequence[Comparison]
) -> list[CostRow]:
    """Measures a section; after each comparison the page has its rows."""
    rows: list[CostRow] = []
    for comparison in comparisons:
        for row in compare(comparison):
            row.name = row.name.replace(f'{ROOT}/', '')
            rows.append(row)
            print(f'{title}: {row.name}', file=sys.stderr)
        page.write(title, rows)
    return rows


def main() -> int:
    args = parse_args()
    try:
        sections = choose(all_sections(args), args.only)
        if args.list:
            print('\n'.join(sections))
            return 0
        page = ResultsPage(args.page, args.json)
        Worker(Settings(device=args.device)).close()
    except (ValueError, OSError, WorkerError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    failed = 0
    for title, comparisons in sections.items():
        try:
            rows = fill(page, title, comparisons)
        except KeyboardInterrupt:
            print(f'error: interrupted in {title!r}', file=sys.stderr)
            return 1
        print(title)
        show_rows(rows, console())
        failed += sum(row.error is not None for row in rows)
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
