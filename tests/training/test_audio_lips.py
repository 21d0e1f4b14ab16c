from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import openvino as ov  # noqa: E402

from runtime.audio_lips import AudioLips  # noqa: E402
from runtime.errors import OptionError  # noqa: E402
from runtime.host import HostPlan  # noqa: E402
from tests.training.laws import assert_resumes  # noqa: E402
from tests.training.talking_mesh import TalkingTracker, mesh_in_pixels, picture  # noqa: E402
from tests.training.tiny_corpus import lips  # noqa: E402
from training.audio_lips import AROUND, COLUMNS, AudioLipsNet, export_audio_lips  # noqa: E402
from training.audio_lips_trainer import (  # noqa: E402
    AudioLipsOptions,
    AudioLipsTrainer,
    Said,
    basis_of,
    hearing_score,
    read_said,
)
from training.augment import sampled  # noqa: E402
from training.cases import Case  # noqa: E402
from training.corpus import Corpus  # noqa: E402
from training.export import export_lips  # noqa: E402
from training.lip_motions import closed_frames, gap_of, lip_motions  # noqa: E402
from training.sources import NetworkFile  # noqa: E402
from training.warped_mouths import WarpedMouths  # noqa: E402


@pytest.fixture(scope="module")
def said() -> list[Said]:
    """Sentences during which lips open with the loudness, in two voices."""
    return [_sentence(seed) for seed in range(3)]


def _sentence(seed: int, frames: int = 40) -> Said:
    rng = np.random.default_rng(seed)
    loud = np.clip(np.sin(np.linspace(0, 12, frames) + seed), 0, 1).astype(np.float32)
    columns = np.interp(np.arange(round(3.2 * frames)) / 3.2, np.arange(frames), loud)
    mel = (-4 + 5 * columns[None] + rng.normal(0, 0.1, (80, len(columns)))).astype(np.float32)
    points = np.stack([lips(20 * value) for value in loud])
    motions, _ = lip_motions(points, closed_frames(points))
    return Said(motions, [mel, mel + 0.3])


def _network(said: list[Said]) -> AudioLipsNet:
    torch.manual_seed(0)
    return AudioLipsNet(basis_of(said), channels=16)


def _trainer(
    network: AudioLipsNet, said: list[Said], folder: Path, **more: Any
) -> AudioLipsTrainer:
    options = AudioLipsOptions(sentences=4, frames=12, **more)
    return AudioLipsTrainer(network, said, folder, options)


def test_a_held_head_that_sways_moves_no_lips() -> None:
    swaying = np.stack([lips(0.0)] * 90) + np.linspace(0, 9, 90)[:, None, None]
    motions, _ = lip_motions(swaying.astype(np.float32), np.arange(90))
    assert np.abs(motions[30:60]).max() < 0.01


def test_movements_are_in_mouth_widths() -> None:
    points = np.stack([lips(gap) for gap in [0.0] * 8 + [7.0, 14.0]])
    motions, _ = lip_motions(points, closed_frames(points))
    wide = lips(14.0)
    expected = (wide[23:28, 1] - wide[33:38, 1]).mean() / 28
    assert gap_of(motions)[-1] == pytest.approx(expected, abs=0.02)
    assert gap_of(motions)[:8] == pytest.approx(0, abs=0.01)


def test_sentences_whose_lips_never_close_are_left_out(tiny_corpus: Corpus) -> None:
    assert read_said(tiny_corpus, {}, splits=["train"]) == []


def test_rows_are_read_between_their_columns_and_end_with_their_ends() -> None:
    rows = np.array([[0.0, 2.0, 6.0]], np.float32)
    read = sampled(rows, np.array([-1.0, 0.5, 1.25, 9.0]))
    assert read.tolist() == [[0.0, 1.0, 3.0, 6.0]]


def test_a_whole_sound_is_answered_as_its_chunks_are(said: list[Said]) -> None:
    network = _network(said).eval()
    mel = torch.from_numpy(said[0].mels[0])[None]
    starts = [0, 17, 60]
    whole = network.at(mel, starts)
    for number, start in enumerate(starts):
        alone = network.at(mel[..., start : start + COLUMNS], [0])
        assert torch.allclose(alone[:, 0], whole[:, number], atol=1e-5)


def test_the_exported_network_tells_what_the_trained_one_does_times_the_gain(
    said: list[Said],
) -> None:
    network = _network(said)
    for norm in network.body.norms:
        torch.nn.init.uniform_(norm.get_buffer("running_mean"), -0.5, 0.5)
        torch.nn.init.uniform_(norm.get_buffer("running_var"), 0.5, 2.0)
    model = export_audio_lips(network, name="x", licence="y", gain=1.5)
    mel = np.random.default_rng(0).normal(-1, 1.5, (3, 80, COLUMNS)).astype(np.float32)
    told = ov.Core().compile_model(model, "CPU")([mel])[0].reshape(3, 88)
    own = network.at(torch.from_numpy(mel), [0])[:, 0] @ network.basis
    assert told == pytest.approx(1.5 * own.detach().numpy(), abs=1e-4)


def test_it_learns_to_open_with_the_sound(said: list[Said], tmp_path: Path) -> None:
    trainer = _trainer(_network(said), said, tmp_path, steps=60)
    trainer.run()
    assert hearing_score(trainer.averaged(), [_sentence(7)]) > 0.7


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(said: list[Said], tmp_path: Path) -> None:
    def trainer(folder: Path, **more: Any) -> AudioLipsTrainer:
        return _trainer(_network(said), said, folder, steps=4, **more)

    assert_resumes(trainer, tmp_path)


def test_what_is_exported_is_what_the_runtime_takes(said: list[Said], tmp_path: Path) -> None:
    trainer = _trainer(_network(said), said, tmp_path, steps=1)
    trainer.run()
    weights, path = tmp_path / "average.safetensors", tmp_path / "lips.xml"
    assert torch.equal(AudioLipsNet.load(weights).basis, trainer.network.basis)
    export_lips(weights, path, name="lips", gain=1.0)
    heard = AudioLips(NetworkFile(path, ""), HostPlan(batch=2), mel_offset=-5)
    assert heard.around == AROUND
    (movement,) = heard.movements([np.full((80, COLUMNS), -4, np.float32)])
    assert movement.motion.shape == (4, 11, 2)


def test_what_is_heard_is_shown_on_the_cases_own_face(said: list[Said], tmp_path: Path) -> None:
    path = tmp_path / "lips.xml"
    ov.save_model(export_audio_lips(_network(said), name="x", licence="y"), path)
    face = picture(mesh_in_pixels())[64:192, 64:192]
    case = Case("drawn", (), face, said[0].mels[0], said[1].mels[0], np.zeros(9, np.float32))
    mouths = WarpedMouths(NetworkFile(path, ""), TalkingTracker([]), threads=1)
    drawn = mouths.draw(case, case.mel)
    assert drawn.shape == (9, 96, 96, 3)
    assert len({picture.tobytes() for picture in drawn}) > 3


def test_without_closing_lips_there_is_nothing_to_learn_from() -> None:
    with pytest.raises(OptionError, match="no sentence of the data set closes its lips"):
        basis_of([])
