"""The face networks of MediaPipe, from TFLite to IR. Needs neither torch nor TensorFlow."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import openvino as ov

from convert.flatbuffer_cut import TfliteFile
from convert.ir import save_model, write_card, write_metadata
from runtime.errors import CheckpointError
from runtime.manifest import NetworkEntry

_TRUNK_OUTPUTS = ("output_mesh", "conv_faceflag", "p_re_lu_3")
_LIPS_OUTPUT = "conv_lips"
_CROP_OPERATOR = "TransformTensorBilinear"
#: Which points the lips head refines, in the order of its output: ``subset_idxs`` of the operator
#: ``Landmarks2TransformMatrix`` before it.
_LIPS_POINTS = (
    "61 146 91 181 84 17 314 405 321 375 291 185 40 39 37 0 267 269 270 409 "
    "78 95 88 178 87 14 317 402 318 324 308 191 80 81 82 13 312 311 310 415 "
    "76 77 90 180 85 16 315 404 320 307 306 184 74 73 72 11 302 303 304 408 "
    "62 96 89 179 86 15 316 403 319 325 292 183 42 41 38 12 268 271 272 407"
)
#: How the lips head's 16 x 16 crop is cut out of the trunk's 48 x 48 features, same operator:
#: around the points, turned so that ``rotation_points`` lie level, ``scale`` times their extent.
LIPS_HEAD = {
    "points": _LIPS_POINTS,
    "rotation_points": "61 291",
    "scale": "1.5",
    "crop": "16",
    "features_per_pixel": "0.25",
}
_INPUT_SIZE = {"blazeface": 128, "facemesh": 192, "attmesh-trunk": 192, "attmesh-lips": 16}


def convert_tflite(content: bytes, entry: NetworkEntry, folder: Path) -> Path:
    """Turn a TFLite file of the manifest into IR.

    The graph keeps the file's own input: float32 NHWC RGB, scaled as MediaPipe does.

    Args:
        content: The TFLite file, its digest already checked.
        entry: Which network it is, or which part of it.
        folder: Where ``NAME.xml`` and ``NAME.bin`` go.

    Returns:
        The .xml.

    Raises:
        CheckpointError: OpenVINO cannot read it, or the manifest asks for an unknown network.
    """
    if entry.name not in _INPUT_SIZE:
        raise CheckpointError(f"no rule to convert {entry.name} from TFLite")
    extra: Mapping[str, str] = {}
    if entry.name == "attmesh-trunk":
        content = TfliteFile(content).cut("input_1", _TRUNK_OUTPUTS)
    elif entry.name == "attmesh-lips":
        file = TfliteFile(content)
        content = file.cut(file.custom_input(_LIPS_OUTPUT, _CROP_OPERATOR), [_LIPS_OUTPUT])
        extra = LIPS_HEAD
    model = _read(content, entry.name)
    write_metadata(model, {**_metadata(entry), **extra})
    path = folder / f"{entry.name}.xml"
    save_model(model, path)
    write_card(folder, entry, [path, path.with_suffix(".bin")])
    return path


def _read(content: bytes, name: str) -> ov.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.tflite"
        path.write_bytes(content)
        try:
            return ov.Core().read_model(path)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise CheckpointError(f"OpenVINO cannot read {name}: {reason}") from error


def _metadata(entry: NetworkEntry) -> dict[str, str]:
    (digests,) = entry.sha256.values()
    return {
        "role": entry.role,
        "name": entry.name,
        "layout": entry.layout,
        "crop_size": str(_INPUT_SIZE[entry.name]),
        "mel_spec": "",
        "mel_offset": "0",
        "colour": "RGB",
        "precision": "f32",
        "checkpoint_sha256": digests[0],
        "licence": entry.licence,
        "width": "1",
    }
