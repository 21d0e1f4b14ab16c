"""Laws of the face networks' conversion, on the networks that set-up has installed."""

import os
import struct
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from convert.flatbuffer_cut import TfliteFile
from convert.tflite import LIPS_HEAD, convert_tflite
from runtime.errors import CheckpointError
from runtime.manifest import NetworkEntry
from runtime.models import ModelStore

ENTRY = NetworkEntry(
    name="facemesh", role="landmarks", layout="facemesh", sha256={"f.tflite": ("0" * 64,)}
)


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


class Builder:
    """Writes a flatbuffer front to back: tables first, what they point to behind them."""

    def __init__(self) -> None:
        self.content = bytearray(u32(0))

    def place(self) -> int:
        return len(self.content)

    def point(self, slot: int, target: int) -> None:
        self.content[slot : slot + 4] = u32(target - slot)

    def table(self, fields: int) -> tuple[int, list[int]]:
        layout = self.place()
        size = 4 + 2 * fields
        self.content += struct.pack("<HH", size, 4 + 4 * fields)
        self.content += b"".join(struct.pack("<H", 4 + 4 * i) for i in range(fields))
        table = self.place()
        self.content += struct.pack("<i", table - layout) + bytes(4 * fields)
        return table, [table + 4 + 4 * i for i in range(fields)]

    def vector(self, slot: int, values: list[int]) -> list[int]:
        self.point(slot, self.place())
        self.content += u32(len(values))
        slots = [self.place() + 4 * i for i in range(len(values))]
        self.content += struct.pack(f"<{len(values)}i", *values)
        return slots

    def text(self, slot: int, value: str) -> None:
        self.point(slot, self.place())
        self.content += u32(len(value)) + value.encode() + b"\0"


def chain(names: list[str], customs: list[str]) -> bytes:
    """A model whose operator i makes tensor i + 1 of tensor i."""
    builder = Builder()
    model, fields = builder.table(3)
    builder.point(0, model)
    for slot, custom in zip(builder.vector(fields[1], [0] * len(customs)), customs, strict=True):
        code, code_fields = builder.table(2)
        builder.point(slot, code)
        builder.text(code_fields[1], custom)
    (slot,) = builder.vector(fields[2], [0])
    subgraph, lists = builder.table(4)
    builder.point(slot, subgraph)
    for slot, name in zip(builder.vector(lists[0], [0] * len(names)), names, strict=True):
        tensor, tensor_fields = builder.table(4)
        builder.point(slot, tensor)
        builder.text(tensor_fields[3], name)
    builder.vector(lists[1], [0])
    builder.vector(lists[2], [len(names) - 1, len(names) - 1])
    for index, slot in enumerate(builder.vector(lists[3], [0] * len(customs))):
        operator, operator_fields = builder.table(3)
        builder.point(slot, operator)
        builder.content[operator_fields[0] : operator_fields[0] + 4] = u32(index)
        builder.vector(operator_fields[1], [index])
        builder.vector(operator_fields[2], [index + 1])
    return bytes(builder.content)


NAMES = ["image", "features", "crop", "lips"]
FILE = chain(NAMES, ["", "Crop", ""])


def test_a_cut_holds_only_what_lies_between():
    cut = TfliteFile(TfliteFile(FILE).cut("crop", ["lips"]))

    # What is left knows how to make the lips, and no longer the crop.
    assert cut.cut("crop", ["lips"])
    with pytest.raises(CheckpointError, match="no operator Crop before lips"):
        cut.custom_input("lips", "Crop")


def test_the_tensor_behind_a_custom_operator_is_found():
    assert TfliteFile(FILE).custom_input("lips", "Crop") == "crop"


def test_a_cut_across_a_custom_operator_is_refused():
    with pytest.raises(CheckpointError, match="custom operator Crop lies between image"):
        TfliteFile(FILE).cut("image", ["lips"])


def test_an_unknown_tensor_is_named():
    with pytest.raises(CheckpointError, match="has no tensor nose"):
        TfliteFile(FILE).cut("image", ["nose"])


@pytest.mark.parametrize("content", [b"", b"hello world", FILE[:60]])
def test_what_is_no_tflite_file_is_refused(content):
    with pytest.raises(CheckpointError, match="not a TFLite file"):
        TfliteFile(content)


def test_a_broken_network_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(CheckpointError, match="OpenVINO cannot read facemesh"):
        convert_tflite(b"no network", ENTRY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_a_rule_is_refused(tmp_path):
    other = NetworkEntry(name="other", role="landmarks", layout="x")

    with pytest.raises(CheckpointError, match="no rule to convert other"):
        convert_tflite(b"", other, tmp_path)


@pytest.fixture(scope="module")
def installed() -> ModelStore:
    store = ModelStore()
    if not store.precisions("attmesh-lips"):
        pytest.skip("the face networks are not installed: mouthpiece models fetch --required")
    return store


def text(model: ov.Model, key: str) -> str:
    return str(model.get_rt_info(["mouthpiece", key]).astype(str))


@pytest.mark.weights
def test_the_lips_head_says_how_its_crop_is_cut(installed):
    model = ov.Core().read_model(installed.find("attmesh-lips").path)

    assert {key: text(model, key) for key in LIPS_HEAD} == LIPS_HEAD
    points = [int(point) for point in LIPS_HEAD["points"].split()]
    assert len(points) == len(set(points)) == 80
    assert model.output(0).shape[-1] == 2 * len(points)


@pytest.mark.weights
def test_the_trunk_finds_the_same_face_as_the_whole_mesh(installed):
    import cv2

    picture = cv2.imread(str(installed.find("facemesh").path.with_name("sample-avatar.png")))
    if picture is None:
        pytest.skip("the sample avatar is not installed")
    crop = cv2.resize(picture[30:240, 120:330], (192, 192))
    image = (crop[None, ..., ::-1] / 255).astype(np.float32)

    def run(name: str) -> list[np.ndarray]:
        outputs = ov.Core().compile_model(installed.find(name).path, "CPU")([image])
        return [outputs[index] for index in range(len(outputs))]

    trunk, mesh = run("attmesh-trunk"), run("facemesh")

    assert [output.shape for output in trunk][1:] == [(1, 1, 1, 1), (1, 48, 48, 32)]
    distance = np.abs(trunk[0].reshape(468, 3)[:, :2] - mesh[0].reshape(468, 3)[:, :2])
    # Two networks: the same face within a few of 192 pixels.
    assert distance.mean() < 4


@pytest.mark.weights
def test_converting_again_gives_the_same_files(installed, tmp_path):
    wheel = os.environ.get("MOUTHPIECE_MEDIAPIPE_WHEEL")
    if wheel is None:
        pytest.skip("MOUTHPIECE_MEDIAPIPE_WHEEL names no wheel")
    from convert.fetch import fetch

    (path,) = fetch(["facemesh"], tmp_path, source=Path(wheel), consent=lambda _: True)

    assert path.with_suffix(".bin").read_bytes() == (
        installed.find("facemesh").path.with_suffix(".bin").read_bytes()
    )
