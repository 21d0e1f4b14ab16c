from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.corpus import Corpus  # noqa: E402
from training.correction import Correction, fit_correction  # noqa: E402
from training.lip_net import LipNet  # noqa: E402
from training.network import TrainedNetwork  # noqa: E402
from training.sampling import Sampler, gestures_of  # noqa: E402
from training.trainer import Trainer, TrainOptions  # noqa: E402


def _linear() -> Correction:
    """A correction whose gestures are the vector's first two numbers."""
    told = torch.nn.Linear(6, 2, bias=False)
    with torch.no_grad():
        told.weight.copy_(torch.eye(6)[:2])
    return Correction(told, torch.eye(6)[:2])


def test_a_corrected_vector_tells_the_true_gestures_and_keeps_the_rest() -> None:
    rng = np.random.default_rng(0)
    heard = torch.from_numpy(rng.uniform(0, 1, (5, 6, 1, 1)).astype(np.float32))
    true = torch.from_numpy(rng.uniform(0, 1, (5, 2)).astype(np.float32))
    corrected = _linear()(heard, true, torch.ones(5, 1)).flatten(1)
    assert torch.allclose(corrected[:, :2], true, atol=1e-6)
    assert torch.equal(corrected[:, 2:], heard.flatten(1)[:, 2:])


def test_corrected_vectors_are_not_negative_as_those_of_the_encoder() -> None:
    heard = torch.zeros(2, 6, 1, 1)
    corrected = _linear()(heard, -torch.ones(2, 2), torch.ones(2, 1))
    assert corrected.min() == 0


def test_a_fitted_correction_brings_told_gestures_nearer_to_the_truth(sampler: Sampler) -> None:
    torch.manual_seed(1)
    network = TrainedNetwork(0.0625, 0.0625)
    for weights in network.body.audio_encoder.parameters():
        weights.data.mul_(1.5)  # random weights of the usual size tell next to nothing apart
    correction = fit_correction(network, sampler, sounds=60)
    mel, true = sampler.draw_sounds(40, np.random.default_rng(9))
    with torch.no_grad():
        heard = network.eval().listen(mel)
        before = (correction.told(heard.flatten(1)) - true).abs().mean()
        moved = correction(heard, true, torch.ones(40, 1))
        after = (correction.told(moved.flatten(1)) - true).abs().mean()
    assert after < before


def test_drawing_from_corrected_vectors_leaves_both_encoders(
    sampler: Sampler, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    network = TrainedNetwork(0.0625, 0.0625)
    correction = fit_correction(network, sampler, sounds=12)
    before = {k: v.clone() for k, v in network.body.state_dict().items()}
    options = TrainOptions(steps=2, batch=2, sounds=1, train_face=False)
    trainer = Trainer(network, sampler, LipNet().eval(), tmp_path, options, correction=correction)
    trainer.run()
    changed = {
        name.split(".")[0]
        for name, value in trainer.network.body.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {"face_decoder_blocks", "output_block"}


def test_mirrored_and_larger_faces_make_the_same_gestures(tiny_corpus: Corpus) -> None:
    from training.lips import MIRRORED

    lips = tiny_corpus.read(tiny_corpus.split("train")[0]).lips
    mirrored = (lips * np.array([-1, 1], np.float32))[:, list(MIRRORED)]
    assert np.allclose(gestures_of(mirrored), gestures_of(lips), atol=1e-5)
    assert np.allclose(gestures_of(lips * 1.7), gestures_of(lips), atol=1e-5)
