from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("scipy")

from runtime.types import Frame
from tests.training.talking_mesh import TalkingTracker, mesh_in_pixels, picture, write_film
from training.corpus import Corpus
from training.dataset import BuildOptions, DatasetBuilder

MESHES = [mesh_in_pixels(6 + 6 * np.sin(angle)) for angle in np.linspace(-1.5, 10, 30)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("sources")
    (root / "clips").mkdir()
    (root / "portraits" / "drawn").mkdir(parents=True)
    for name in ("one", "two"):
        write_film(root / "clips" / f"{name}.mp4", MESHES)
        cv2.imwrite(str(root / "portraits" / "drawn" / f"{name}.png"), picture(mesh_in_pixels()))
    return root


def _build(sources: Path, out: Path, options: BuildOptions) -> int:
    builder = DatasetBuilder(out, TalkingTracker(MESHES))
    return builder.build(sources / "portraits", sources / "clips", options)


def test_a_built_data_set_can_be_read(sources: Path, tmp_path: Path) -> None:
    assert _build(sources, tmp_path, BuildOptions(per_portrait=1)) == 2
    data = Corpus(tmp_path)
    clip = data.read(data.entries[0])
    assert clip.frames.shape == (30, 128, 128, 3)
    assert clip.entry.group == "drawn"
    assert data.mel(clip.entry.sound).shape[0] == 80


def test_a_stopped_build_goes_on_and_repeats_nothing(sources: Path, tmp_path: Path) -> None:
    assert _build(sources, tmp_path, BuildOptions(per_portrait=1, limit=1)) == 1
    assert _build(sources, tmp_path, BuildOptions(per_portrait=1)) == 1
    assert _build(sources, tmp_path, BuildOptions(per_portrait=1)) == 0
    assert len({entry.clip_id for entry in Corpus(tmp_path).entries}) == 2


def test_skipped_sentences_are_never_used(sources: Path, tmp_path: Path) -> None:
    _build(sources, tmp_path, BuildOptions(per_portrait=2, skip=frozenset({"two"})))
    assert {entry.sound for entry in Corpus(tmp_path).entries} == {"one"}


def test_refused_portraits_are_remembered_with_the_reason(sources: Path, tmp_path: Path) -> None:
    class Blind(TalkingTracker):
        def settle(self, image: Frame) -> None:
            return None

    builder = DatasetBuilder(tmp_path, Blind(MESHES))
    assert builder.build(sources / "portraits", sources / "clips", BuildOptions()) == 0
    assert (tmp_path / "refused.jsonl").read_text().count("no face") == 2
