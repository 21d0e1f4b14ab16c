from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.training.laws import assert_resumes  # noqa: E402
from training.corpus import Corpus  # noqa: E402
from training.frame_store import FrameStore  # noqa: E402
from training.lip_net import LipNet, train_lip_net  # noqa: E402
from training.network import TrainedNetwork  # noqa: E402
from training.run_loop import BEST_FILE  # noqa: E402
from training.runs import network_for  # noqa: E402
from training.sampling import Sampler  # noqa: E402
from training.trainer import Trainer, TrainOptions  # noqa: E402


@pytest.fixture(scope="module")
def lip_net(sampler: Sampler) -> LipNet:
    rng = np.random.default_rng(0)
    return train_lip_net(iter(lambda: sampler.draw(4, 1, rng), None), 2)


def _trainer(sampler: Sampler, lip_net: LipNet, folder: Path, steps: int, **more: Any) -> Trainer:
    torch.manual_seed(5)
    network = TrainedNetwork(0.0625, 0.0625)
    options = TrainOptions(steps=steps, batch=2, sounds=2, adversary_from=0, **more)
    return Trainer(network, sampler, lip_net, folder, options)


def test_the_same_seed_draws_the_same_batches(sampler: Sampler) -> None:
    first = sampler.draw(2, 2, np.random.default_rng(3))
    second = sampler.draw(2, 2, np.random.default_rng(3))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_same_seed_trains_the_same_weights(
    sampler: Sampler, lip_net: LipNet, tmp_path: Path
) -> None:
    first, second, other = (
        _trainer(sampler, lip_net, tmp_path / str(run), 3, seed=seed)
        for run, seed in enumerate((1, 1, 2))
    )
    for trainer in (first, second, other):
        trainer.run()
    for name, value in first.network.body.state_dict().items():
        assert torch.equal(value, second.network.body.state_dict()[name]), name
    assert any(not torch.equal(value, other.average[name]) for name, value in first.average.items())


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    sampler: Sampler, lip_net: LipNet, tmp_path: Path
) -> None:
    # One schedule for both: the second half must not know that it is a second half.
    def trainer(folder: Path, **more: Any) -> Trainer:
        return _trainer(sampler, lip_net, folder, 4, **more)

    assert_resumes(trainer, tmp_path)


def test_new_weights_follow_from_the_seed() -> None:
    first, second, other = (
        network_for(None, (0.0625, 0.0625), seed=seed).body.output_block[1].weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_the_best_checkpoint_is_kept_by_its_score(
    sampler: Sampler, lip_net: LipNet, tmp_path: Path
) -> None:
    scores = iter([1.0, 3.0, 2.0])
    trainer = _trainer(sampler, lip_net, tmp_path, 3, score_every=1)
    best = []

    def score(network: TrainedNetwork) -> float:
        best.append({k: v.clone() for k, v in network.body.state_dict().items()})
        return next(scores)

    trainer.run(score)
    kept = TrainedNetwork.load(tmp_path / BEST_FILE).body.state_dict()
    assert trainer.progress.best_score == 3.0
    assert all(torch.equal(kept[name], value) for name, value in best[1].items())


def test_a_continued_run_leaves_the_face_encoder_as_it_is(
    sampler: Sampler, lip_net: LipNet, tmp_path: Path
) -> None:
    trainer = _trainer(sampler, lip_net, tmp_path, 1, train_face=False)
    before = {
        k: v.clone() for k, v in trainer.network.body.face_encoder_blocks.state_dict().items()
    }
    trainer.run()
    after = trainer.network.body.face_encoder_blocks.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_frame_store_is_made_once(tiny_corpus: Corpus, tmp_path: Path) -> None:
    entries = tiny_corpus.split("train")
    FrameStore.open(tiny_corpus, entries, tmp_path)
    made = (tmp_path / "frames.npy").stat().st_mtime_ns
    again = FrameStore.open(tiny_corpus, entries, tmp_path)
    assert (tmp_path / "frames.npy").stat().st_mtime_ns == made
    assert sum(clip.count for clip in again.clips) == len(again.lips)
