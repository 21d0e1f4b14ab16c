"""Drawn occlusions and the network that learns to find them."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from runtime.blending.occlusion import _build
from runtime.faces.compiled import FaceNetwork
from tests.runtime import faces_toy
from training.occluders import disguise, occlude
from training.occlusion_net import (
    OcclusionNet,
    clean_faces,
    export_occlusion_net,
    train_occlusion_net,
    with_turned,
)
from training.turning import MeshWithDepth

FACE = np.full((128, 128, 3), (120, 150, 200), np.uint8)


def test_only_covered_pixels_and_their_shadow_change():
    for seed in range(12):
        picture, cover = occlude(FACE, FACE[None], np.random.default_rng(seed))
        brighter = (picture.astype(int) - FACE).max(-1) > 1
        assert cover.max() > 0.9
        assert not brighter[cover == 0].any()


def test_disguises_leave_the_eyes_alone():
    beards = [disguise(FACE, np.random.default_rng(seed)) for seed in range(8)]
    darker = [(FACE[:50].astype(int) - beard[:50]).mean() for beard in beards]
    assert min(darker) >= -1


def test_the_engine_computes_what_was_trained(tmp_path):
    torch.manual_seed(0)
    net = OcclusionNet().eval()
    export_occlusion_net(net, tmp_path / "net.npz")
    engine = FaceNetwork(_build((tmp_path / "net.npz").read_bytes()), "digest")
    crop = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    signal = torch.from_numpy(crop[None]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = net(signal).sigmoid()[0, 0].numpy()
    assert engine(crop[None])[0].reshape(48, 48) == pytest.approx(expected, abs=2e-3)


def test_training_gives_a_network_ready_for_use(tiny_corpus, tmp_path):
    straight = clean_faces(tiny_corpus)
    mesh = MeshWithDepth(faces_toy.facemesh(tmp_path / "facemesh.xml").parent)
    faces = with_turned(straight, mesh, np.random.default_rng(0))
    assert faces.shape == (2 * len(straight), 128, 128, 3)
    net = train_occlusion_net(faces, 2, batch=2)
    assert not any(parameter.requires_grad for parameter in net.parameters())
