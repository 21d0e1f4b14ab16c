"""Replace the generator that comes with mouthpiece: its files and their digests in the manifest."""

import dataclasses
import re
from pathlib import Path

from convert.conversion import ConvertReport, GeneratorOptions, Report, convert_generator
from runtime.errors import ConversionError
from runtime.manifest import CARD_SUFFIX
from runtime.models import BUNDLED_DIR, MANIFEST, ModelStore, file_sha256

BUNDLED_NAME = "mouthpiece"


def replace_bundled(
    checkpoint: Path,
    options: GeneratorOptions,
    *,
    models: ModelStore,
    report: Report | None = None,
    folder: Path = BUNDLED_DIR / BUNDLED_NAME,
    manifest: Path = MANIFEST,
) -> ConvertReport:
    """Convert a checkpoint into the bundled generator's place.

    Args:
        checkpoint: Weights of this project's training.
        options: How; name and licence are the manifest's.
        models: Where the face networks are.
        report: Told what is being done.
        folder: Where the bundled generator lies.
        manifest: Whose digests are brought up to date.

    Raises:
        ConversionError: As ``convert_generator``; or the manifest has no place for the digests.
    """
    entry = models.entry(BUNDLED_NAME)
    options = dataclasses.replace(options, name=BUNDLED_NAME, licence=entry.licence)
    done = convert_generator(checkpoint, folder, options, models=models, report=report)
    card = folder / f"{BUNDLED_NAME}{CARD_SUFFIX}"
    card.unlink()
    files = tuple(file for file in done.files if file != card)
    networks = [file for file in files if file.suffix in {".xml", ".bin"}]
    digests = {checkpoint.name: file_sha256(checkpoint)}
    digests |= {file.name: file_sha256(file) for file in networks}
    _write_digests(manifest, digests)
    return dataclasses.replace(done, files=(*files, manifest))


def _write_digests(manifest: Path, digests: dict[str, str]) -> None:
    content = manifest.read_text(encoding="utf-8")
    lines = "".join(f'"{name}" = "{digest}"\n' for name, digest in digests.items())
    table = rf'(name = "{BUNDLED_NAME}"\n.*?\[network\.sha256\]\n)(?:".*?\n)*'
    updated, count = re.subn(
        table, lambda found: found.group(1) + lines, content, count=1, flags=re.DOTALL
    )
    if count != 1:
        raise ConversionError(f"{manifest} has no [network.sha256] for {BUNDLED_NAME}")
    partial = manifest.with_name(f".{manifest.name}.partial")
    partial.write_text(updated, encoding="utf-8")
    partial.replace(manifest)
