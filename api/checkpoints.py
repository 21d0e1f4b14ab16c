"""Which network stands for a checkpoint file: found by its digest, or converted once and kept."""

import logging
from importlib.util import find_spec
from pathlib import Path

from runtime.errors import CheckpointError, FidelityError, ModelNotFoundError
from runtime.models import ModelStore, file_sha256

logger = logging.getLogger(__name__)

#: Digits of the checkpoint's digest in the name of a network made from it.
_DIGEST_DIGITS = 8


def generator_for_checkpoint(checkpoint: Path, models: ModelStore, folder: Path) -> str:
    """Return the name of the generator that stands for a checkpoint.

    Args:
        checkpoint: A checkpoint of any layout that ``mouthpiece convert`` reads, or the ``.xml`` of
            a network in one of the models folders.
        models: Networks on this machine.
        folder: Where a converted network is kept; one of the models folders.

    Raises:
        CheckpointError: The file is missing or cannot be converted.
        ModelNotFoundError: It has not been converted and the converter is not installed.
    """
    if not checkpoint.is_file():
        raise CheckpointError(f"no checkpoint at {checkpoint}; expected a .pth or .xml file")
    if checkpoint.suffix == ".xml":
        return _installed(checkpoint, models)
    digest = file_sha256(checkpoint)
    known = [
        entry.name
        for entry in models.generators()
        if any(digest in digests for digests in entry.sha256.values())
    ]
    name = f"{checkpoint.stem}-{digest[:_DIGEST_DIGITS]}"
    if known or models.precisions(name):
        return known[0] if known else name
    if find_spec("torch") is None:
        raise ModelNotFoundError(
            f"{checkpoint} has not been converted yet; run `mouthpiece convert generator "
            f"--checkpoint {checkpoint}` where the extra is installed: "
            "pip install 'mouthpiece[convert]'"
        )
    from convert.conversion import GeneratorOptions, convert_generator

    logger.info("converting %s, once", checkpoint)
    try:
        convert_generator(checkpoint, folder, GeneratorOptions(name=name), models=models)
    except FidelityError as error:
        logger.warning("%s runs in full precision: %s", checkpoint, error)
    return name


def _installed(network: Path, models: ModelStore) -> str:
    name = network.stem.removesuffix("-int8")
    if network.resolve().parent not in {
        place.resolve() for folder in models.dirs for place in (folder, folder / name)
    }:
        folders = ", ".join(map(str, models.dirs))
        raise ModelNotFoundError(f"{network} is in none of the models folders: {folders}")
    models.entry(name)
    return name
