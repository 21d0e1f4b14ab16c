from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.training.laws import assert_resumes  # noqa: E402
from training.audio_trainer import (  # noqa: E402
    AudioOptions,
    AudioTrainer,
    HeldOutSound,
    hearing_score,
    heldout_sounds,
)
from training.corpus import Corpus  # noqa: E402
from training.frame_store import FrameStore  # noqa: E402
from training.lip_net import LipNet  # noqa: E402
from training.network import TrainedNetwork  # noqa: E402
from training.runs import surrogate_for  # noqa: E402
from training.sampling import Sampler  # noqa: E402
from training.surrogate import (  # noqa: E402
    Surrogate,
    fit_surrogate,
    load_surrogate,
    vectors_and_gestures,
)

Table = tuple[Any, Any]


@pytest.fixture(scope="module")
def table(sampler: Sampler, store: FrameStore) -> Table:
    torch.manual_seed(0)
    network = TrainedNetwork(0.0625, 0.0625)
    lip_net = LipNet().eval()
    return vectors_and_gestures(network, lip_net, sampler, store, sounds=12, faces=2)


@pytest.fixture(scope="module")
def surrogate(table: Table) -> Surrogate:
    return fit_surrogate(*table, steps=5)


def _trainer(
    sampler: Sampler, surrogate: Surrogate, folder: Path, steps: int, **more: Any
) -> AudioTrainer:
    torch.manual_seed(5)
    network = TrainedNetwork(0.0625, 0.0625)
    options = AudioOptions(steps=steps, sounds=4, **more)
    return AudioTrainer(network, sampler, surrogate, folder, options)


def test_a_table_has_a_row_of_gestures_for_every_sound(table: Table, sampler: Sampler) -> None:
    vectors, gestures = table
    assert vectors.shape == (12, 32)
    assert gestures.shape == (12, sampler.gestures.width)


def test_a_surrogate_finds_what_depends_on_the_vector() -> None:
    rng = np.random.default_rng(0)
    vectors = torch.from_numpy(rng.normal(0, 1, (240, 8)).astype(np.float32))
    gestures = torch.stack([vectors[:, 0], -vectors[:, 1]], 1)
    told = fit_surrogate(vectors, gestures, steps=150)(vectors)
    for own, true in zip(told.T, gestures.T, strict=True):
        assert torch.corrcoef(torch.stack([own, true]))[0, 1] > 0.95


def test_vectors_unlike_the_table_are_strange() -> None:
    rng = np.random.default_rng(0)
    basis = rng.normal(0, 1, (2, 8))
    vectors = torch.from_numpy((rng.normal(0, 1, (60, 2)) @ basis).astype(np.float32))
    surrogate = fit_surrogate(vectors, vectors[:, :1], steps=1)
    usual = surrogate.strangeness(vectors)
    far = surrogate.strangeness(vectors.mean(0) + 9 * (vectors - vectors.mean(0)))
    off = surrogate.strangeness(torch.from_numpy(rng.normal(0, 3, (60, 8)).astype(np.float32)))
    assert far > 5 * usual
    assert off > 5 * usual


def test_a_run_keeps_the_surrogate_it_began_with(
    sampler: Sampler, store: FrameStore, tmp_path: Path
) -> None:
    network, lip_net = TrainedNetwork(0.0625, 0.0625), LipNet().eval()
    first = surrogate_for(network, lip_net, sampler, store, folder=tmp_path, sounds=8, seed=0)
    other = TrainedNetwork(0.0625, 0.0625)
    again = surrogate_for(other, lip_net, sampler, store, folder=tmp_path, sounds=8, seed=0)
    kept = load_surrogate(tmp_path / "surrogate.safetensors").state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in first.state_dict().items())
    assert all(torch.equal(value, kept[name]) for name, value in again.state_dict().items())


def test_the_audio_encoder_alone_learns(
    sampler: Sampler, surrogate: Surrogate, tmp_path: Path
) -> None:
    trainer = _trainer(sampler, surrogate, tmp_path, 2)
    before = {k: v.clone() for k, v in trainer.network.body.state_dict().items()}
    trainer.run()
    changed = {
        name.split(".")[0]
        for name, value in trainer.network.body.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {"audio_encoder"}


def test_training_on_sound_lowers_its_error(
    sampler: Sampler, surrogate: Surrogate, tmp_path: Path
) -> None:
    trainer = _trainer(sampler, surrogate, tmp_path, 60, rate=1e-2)
    errors = []
    for _ in range(60):
        trainer._set_rate()
        errors.append(trainer._step()["strangeness"])
        trainer.progress.step += 1
    assert np.mean(errors[-10:]) < np.mean(errors[:10])


def test_a_stopped_run_on_sound_goes_on_as_if_it_had_not_stopped(
    sampler: Sampler, surrogate: Surrogate, tmp_path: Path
) -> None:
    def trainer(folder: Path, **more: Any) -> AudioTrainer:
        return _trainer(sampler, surrogate, folder, 4, **more)

    assert_resumes(trainer, tmp_path)


def test_held_out_sounds_are_scored_in_every_voice(
    tiny_corpus: Corpus, surrogate: Surrogate
) -> None:
    (own,) = heldout_sounds(tiny_corpus)
    voices = {tiny_corpus.heldout[0].sound: [own.mel + 1]}
    assert len(heldout_sounds(tiny_corpus, voices)) == 2
    network = TrainedNetwork(0.0625, 0.0625)
    assert -1 <= hearing_score(network, surrogate, [own]) <= 1
    still = HeldOutSound(own.mel, np.zeros_like(own.openings))
    assert hearing_score(network, surrogate, [still]) == 0
