"""Laws of comparing detectors, and of refusing what is no detector."""

import numpy as np
import pytest
import torch

from convert.checkpoint import load_checkpoint
from convert.conversion import convert_generator
from convert.detectors import DetectorCertificate, convert_detector, match_faces
from convert.networks.s3fd import S3FD
from convert.networks.wav2lip import Wav2Lip, channels_for_width
from runtime.errors import CheckpointError, FidelityError
from runtime.types import Detection, FaceBox


def face(x: int, y: int = 0, size: int = 100) -> Detection:
    return Detection(FaceBox(x, y, x + size, y + size), 1.0, np.zeros((5, 2), np.float32))


def test_the_same_faces_overlap_whole():
    overlaps, missed, invented = match_faces([[face(0), face(300)]], [[face(300), face(0)]])

    assert (overlaps, missed, invented) == ([1.0, 1.0], 0, 0)


def test_lost_and_invented_faces_are_counted_apart():
    overlaps, missed, invented = match_faces(
        [[face(0)], [face(0), face(500)]], [[], [face(10), face(900), face(700)]]
    )

    assert overlaps == pytest.approx([0.9 / 1.1])
    assert (missed, invented) == (2, 2)


def certificate(**changes):
    values = {
        "name": "s3fd",
        "frames": 10,
        "faces": 100,
        "iou_median": 0.97,
        "iou_worst": 0.8,
        "missed": 0,
        "invented": 1,
        "size_f32_bytes": 45_000_000,
        "size_int8_bytes": 23_000_000,
        "host": "a processor",
    }
    return DetectorCertificate(**{**values, **changes})


def test_a_faithful_detector_passes():
    certificate().check()
    assert "median 0.970, worst 0.800" in certificate().table()


@pytest.mark.parametrize("changes", [{"iou_median": 0.85}, {"missed": 3}])
def test_a_detector_that_moves_or_loses_faces_is_refused(changes):
    with pytest.raises(FidelityError, match="s3fd in INT8 is too far"):
        certificate(**changes).check()


def test_generators_and_detectors_are_not_confused(tmp_path):
    torch.save(Wav2Lip(channels_for_width(0.02)).state_dict(), tmp_path / "g.pth")
    with torch.device("meta"):
        names = S3FD().state_dict()
    torch.save({name: torch.zeros(slot.shape) for name, slot in names.items()}, tmp_path / "d.pth")

    with pytest.raises(CheckpointError, match="is a generator; use `mouthpiece convert generator`"):
        convert_detector(tmp_path / "g.pth", tmp_path)
    with pytest.raises(CheckpointError, match="is a detector; use `mouthpiece convert detector`"):
        convert_generator(tmp_path / "d.pth", tmp_path)
    assert load_checkpoint(tmp_path / "d.pth").width == "1"


def test_a_converted_detector_is_read_by_the_engine(tmp_path):
    from runtime.faces import S3FDDetector
    from runtime.models import ModelStore

    store = ModelStore()
    if not store.precisions("facemesh"):
        pytest.skip("the face networks are not installed: mouthpiece models fetch --required")
    with torch.device("meta"):
        names = S3FD().state_dict()
    tensors = {name: torch.zeros(slot.shape) for name, slot in names.items()}
    for name in tensors:
        if name.endswith("_mbox_conf.bias"):
            tensors[name][-1] = -5.0
    torch.save(tensors, tmp_path / "d.pth")

    report = convert_detector(tmp_path / "d.pth", tmp_path)

    detector = S3FDDetector(report.files[0], store.find("facemesh").path)
    assert detector.detect([np.zeros((64, 64, 3), np.uint8)]) == [[]]
