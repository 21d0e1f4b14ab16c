"""Hand a trained network over: its weights file, and the network the engine runs."""

from pathlib import Path

import openvino as ov

from convert.export import GeneratorMetadata, export_generator
from convert.ir import save_model, write_card
from runtime.manifest import NetworkEntry
from runtime.models import file_sha256
from training.audio_lips import AudioLipsNet, export_audio_lips
from training.network import TrainedNetwork, save

LICENCE = "Apache-2.0"


def export_weights(checkpoint: Path, target: Path, facts: dict[str, str] | None = None) -> None:
    """Write the weights file that ``mouthpiece convert`` takes.

    Args:
        checkpoint: A weights file of a run (``best.safetensors`` or ``average.safetensors``).
        target: The file to write.
        facts: More to record in it, such as the iterations.
    """
    network = TrainedNetwork.load(checkpoint)
    save(network.body.state_dict(), {**network.facts(), **(facts or {})}, target)


def export_network(
    weights: Path, target: Path, *, name: str, lips: str = "", licence: str = LICENCE
) -> None:
    """Write the OpenVINO network in full precision, and the card by which it is found.

    Args:
        weights: A weights file.
        target: The ``.xml``; the ``.bin`` comes beside it.
        name: Name to record.
        lips: Name of the network that hears its lips, if there is one.
        licence: Licence to record.
    """
    network = TrainedNetwork.load(weights)
    metadata = GeneratorMetadata(
        name=name,
        layout="wav2lip",
        checkpoint_sha256=file_sha256(weights),
        licence=licence,
        width="-".join(str(width) for width in network.widths),
        mel_offset=network.mel_offset,
    )
    entry = NetworkEntry(name=name, role="generator", layout="wav2lip", lips=lips, licence=licence)
    _write(export_generator(network.body, metadata), target, entry)


def export_lips(
    weights: Path, target: Path, *, name: str, gain: float, licence: str = LICENCE
) -> None:
    """Write the OpenVINO network that hears lips, and the card by which it is found.

    Args:
        weights: A weights file of a run.
        target: The ``.xml``; the ``.bin`` comes beside it.
        name: Name to record.
        gain: Factor on all movements: a network that is not sure moves less than lips do.
        licence: Licence to record.
    """
    network = AudioLipsNet.load(weights)
    model = export_audio_lips(network, name=name, licence=licence, gain=gain)
    entry = NetworkEntry(name=name, role="lips", layout=AudioLipsNet.LAYOUT, licence=licence)
    _write(model, target, entry)


def _write(model: ov.Model, target: Path, entry: NetworkEntry) -> None:
    save_model(model, target)
    write_card(target.parent, entry, [target, target.with_suffix(".bin")])
