"""What a wheel holds, and what an installed vitdense finds."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from vitdense import __version__

ROOT = Path(__file__).resolve().parents[1]
FINDS_CONFIGS = """
from pathlib import Path
import vitdense
from mmengine.config import Config

home = Path(vitdense.__file__).parent
assert home.parent == Path.cwd(), home
config = home / '.mim/configs/pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'
assert Config.fromfile(config).model.backbone.arch == 'v2-b0'
assert (home / '.mim/tools/train.py').is_file()
"""
INHERITS = """
import vitdense
from mmengine.config import Config

assert Config.fromfile('heir.py').model.backbone.arch == 'v2-b0'
"""


@pytest.fixture(scope='module')
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make dist`` leaves in a clone, without a network."""
    clone = tmp_path_factory.mktemp('clone')
    for name in tracked():
        target = clone / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    run('make', 'dist', f'BIN={Path(sys.executable).parent}', cwd=clone)
    return clone / 'dist'


@pytest.fixture(scope='module')
def wheel(dist: Path) -> Path:
    (built,) = dist.glob('vitdense-*.whl')
    return built


def tracked(*under: str) -> list[str]:
    listing = subprocess.run(
        ['git', 'ls-files', '-z', *under],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    names = listing.stdout.split('\0')
    return [name for name in names if name and (ROOT / name).exists()]


def run(*args: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        [sys.executable, '-m', *args] if args[0] == 'pip' else args,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_wheel_holds_package_configs_and_tools(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    package = {
        name for name in tracked('vitdense') if '/.mim/' not in f'{name}/'
    }
    assert package <= held
    shipped = tracked('configs', 'tools', 'model-index.yml')
    assert {f'vitdense/.mim/{name}' for name in shipped} <= held
    assert not any('tests/' in name for name in held)


def test_source_archive_holds_all_but_tests(dist: Path) -> None:
    (built,) = dist.glob('vitdense-*.tar.gz')
    with tarfile.open(built) as archive:
        held = {name.partition('/')[2] for name in archive.getnames()}
    package = {name for name in tracked('vitdense') if '.mim' not in name}
    beside = {'CHANGELOG.md', 'CITATION.cff', 'LICENSE', 'setup.cfg'}
    assert package | beside <= held
    assert 'vitdense/.mim/configs/pvt/metafile.yml' in held
    assert not any(name.startswith('tests') for name in held)


def test_installed_wheel_finds_its_configs(
    wheel: Path, tmp_path: Path
) -> None:
    run('pip', 'install', '--no-deps', '--target', str(tmp_path), str(wheel))
    run(sys.executable, '-c', FINDS_CONFIGS, cwd=tmp_path)
    base = 'vitdense::pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'
    (tmp_path / 'heir.py').write_text(f'_base_ = {base!r}')
    run(sys.executable, '-c', INHERITS, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.upstream
def test_quick_start_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """By the command, in a folder that has no clone: trained and scored."""
    site = tmp_path / 'site'
    run('pip', 'install', '--no-deps', '--target', str(site), str(wheel))
    # what `bin/vitdense` does, which finds packages by the environment alone
    script = site / 'bin' / 'vitdense'
    name = 'mask-rcnn_pvt-v2-b0_fpn_shapes'
    few = (
        'train_dataloader.dataset.indices=8',
        'train_cfg.max_epochs=1',
        'val_dataloader.dataset.indices=4',
        'test_dataloader.dataset.indices=4',
    )
    environment = os.environ | {'PYTHONPATH': str(site)}
    for args in (
        ('train', name, '--cfg-options', *few),
        ('test', name, f'work_dirs/{name}/epoch_1.pth', '--cfg-options', *few),
    ):
        done = subprocess.run(
            [sys.executable, str(script), *args],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert 'coco/segm_mAP' in done.stdout + done.stderr


def commands(section: str) -> list[list[str]]:
    """Those of a section of docs/installing.md, as words."""
    page = (ROOT / 'docs/installing.md').read_text()
    _, _, after = page.partition(f'# {section}\n')
    block = re.search(r'```sh\n(.*?)```', after, re.DOTALL)
    assert block is not None
    return [shlex.split(line) for line in block[1].splitlines()]


@pytest.mark.soak
@pytest.mark.parametrize('stack', ['onedl', 'upstream'])
def test_quick_start_in_an_empty_environment(
    wheel: Path, tmp_path: Path, stack: str
) -> None:
    """Installed as the page says, which takes a package index and minutes;
    then trained, with the first stack by mim too."""
    place = tmp_path / 'env'
    venv.create(place, with_pip=True)
    known = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    known['PATH'] = f'{place / "bin"}:{known["PATH"]}'

    def call(*words: str, cwd: Path = tmp_path) -> str:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=known,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    few = (
        *('--cfg-options', 'train_dataloader.dataset.indices=8'),
        *('train_cfg.max_epochs=1', 'val_dataloader.dataset.indices=4'),
        'test_dataloader.dataset.indices=4',
    )
    _, *words = commands('Without a clone')[stack == 'upstream']
    words = [word.replace('WHEEL', str(wheel)) for word in words]
    try:
        call('pip', *words, cwd=ROOT)
        assert f' {stack}: ' in call('vitdense', 'doctor')
        name = 'mask-rcnn_pvt-v2-b0_fpn_shapes'
        told = call('vitdense', 'train', name, *few)
        assert 'coco/segm_mAP' in told
        if stack == 'upstream':
            return
        where = ('-c', str(ROOT / 'requirements/constraints.txt'))
        call('pip', 'install', *where, 'openmim', 'setuptools<81')
        (tmp_path / 'photos').symlink_to('data/shapes/coco/val2017')
        shutil.rmtree(tmp_path / 'work_dirs')
        for words, more, expected in zip(
            commands('With mim'),
            ((), few, few, ()),
            ('mask_ap50', *('coco/segm_mAP',) * 2, 'results: predictions'),
            strict=True,
        ):
            words = [word.replace('epoch_4', 'epoch_1') for word in words]
            assert expected in call(*words, *more)
        assert (tmp_path / 'predictions/predictions.json').is_file()
    finally:
        shutil.rmtree(place)  # gigabytes


def test_one_version(dist: Path) -> None:
    """Of the package, of what is built, and of what one cites."""
    assert {path.name for path in dist.iterdir()} == {
        f'vitdense-{__version__}.tar.gz',
        f'vitdense-{__version__}-py3-none-any.whl',
    }
    cited = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert cited['version'] == __version__
    assert cited['authors'] == [{'name': 'The vitdense authors'}]


def test_changelog_ends_in_this_version() -> None:
    """What comes next on top, then releases, if any, from this one on."""
    text = (ROOT / 'CHANGELOG.md').read_text()
    first, *released = re.findall(r'^## (.+)$', text, re.MULTILINE)
    assert first == '[Unreleased]'
    dated = [re.fullmatch(r'\[(.+)\] - \d{4}-\d\d-\d\d', r) for r in released]
    assert all(dated), released
    versions = [Version(match[1]) for match in dated if match]
    assert versions == sorted(versions, reverse=True)
    assert versions[:1] in ([], [Version(__version__)])
    kinds = set(re.findall(r'^### (.+)$', text, re.MULTILINE))
    assert kinds <= {
        *('Added', 'Changed', 'Deprecated'),
        *('Removed', 'Fixed', 'Security'),
    }


def test_checkout_finds_its_configs() -> None:
    run(sys.executable, '-c', FINDS_CONFIGS, cwd=ROOT)


def test_model_index_names_every_metafile() -> None:
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    metafiles = sorted(ROOT.glob('configs/*/metafile.yml'))
    assert index['Import'] == [str(f.relative_to(ROOT)) for f in metafiles]
