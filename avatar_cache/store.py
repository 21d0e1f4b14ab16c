"""The avatars of this machine: one file each, content-addressed, shared by any processes."""

import logging
import shutil
from pathlib import Path

from avatar_cache.bundle import Bundle
from avatar_cache.cached_avatar import CachedAvatar
from avatar_cache.features import BUDGET_BYTES, FeatureEncoder, attach_features
from avatar_cache.file_store import FileStore, check_key
from avatar_cache.manifest import Manifest
from avatar_cache.options import ID_LENGTH, PrepareOptions, fingerprint
from avatar_cache.prepare import prepare_avatar
from avatar_cache.source_pass import Progress, Source
from avatar_cache.summary import AvatarCheck, AvatarSummary
from runtime.errors import AvatarError, AvatarNotFoundError, OutputError
from runtime.faces import FaceDetector

logger = logging.getLogger(__name__)

SUFFIX = ".avatar"
#: Default budget: about an hour of 720p video avatars.
STORE_BYTES = 8 << 30


class AvatarStore:
    """Prepared avatars by id; any number of threads and processes may share one folder."""

    def __init__(self, root: Path, *, budget_bytes: int = STORE_BYTES) -> None:
        """Open a store, creating its folder when needed.

        Args:
            root: The folder.
            budget_bytes: Sum of file sizes above which avatars used longest ago are removed.

        Raises:
            OutputError: The folder cannot be used.
        """
        self.root = root
        try:
            self._files = FileStore(root, suffix=SUFFIX, budget_bytes=budget_bytes)
        except OSError as error:
            raise OutputError(f"cannot use the avatar store {root}: {error.strerror}") from error

    def add(
        self,
        source: Path | bytes,
        *,
        avatar_id: str | None = None,
        options: PrepareOptions | None = None,
        detector: FaceDetector,
        progress: Progress | None = None,
    ) -> AvatarSummary:
        """Prepare an avatar, or give the one prepared before from the same source and options.

        Args:
            source: Image or video: path or bytes.
            avatar_id: Its id; an avatar of other content under this id is replaced. ``None`` for
                an id made from the content.
            options: How it is prepared.
            detector: Finds faces; not called when the avatar is there already.
            progress: Called with the share done, 0 to 1.

        Raises:
            OptionError: The id or an option cannot be used.
            FaceNotFoundError: No face, or not the one asked for.
            VideoDecodeError: The source cannot be read.
            TooLargeError: It is beyond the limits of ``options``.
            OutputError: The store cannot be written.
        """
        options = options or PrepareOptions()
        if avatar_id is not None:
            check_key(avatar_id)
        name, content = fingerprint(source, options, detector.digest)
        key = avatar_id or name[:ID_LENGTH]
        job = Source(source, name, content)
        try:
            with self._files.lock(key):
                cached = self._is_ready(key, name) or self._adopt(key, name)
                if not cached:
                    self._prepare(key, job, options, detector, progress)
        except OSError as error:
            raise self._unwritable(error) from error
        return self._summary(key, cached=cached)

    def open(self, avatar_id: str, *, features: str | None = None) -> CachedAvatar:
        """Open an avatar for animating; close it after use.

        Args:
            avatar_id: Its id.
            features: Digest of the generator whose stored features are wanted.

        Raises:
            AvatarNotFoundError: There is none of this id.
            AvatarCorruptError: Its file is damaged.
        """
        try:
            return CachedAvatar(self._files.get(avatar_id), features=features)
        except KeyError:
            raise _not_found(avatar_id, self.root) from None

    def list(self) -> list[AvatarSummary]:
        """List all readable avatars, most recently used first."""
        summaries = []
        for key in self._files.stored_keys():
            try:
                summaries.append(self._summary(key))
            except AvatarError as error:
                logger.debug("left out of the list: %s", error)
        return summaries

    def ids(self) -> tuple[str, ...]:
        """Give the ids of all files, unreadable ones too, most recently used first."""
        return tuple(self._files.stored_keys())

    def show(self, avatar_id: str) -> AvatarSummary:
        """Give the facts of one avatar without counting as a use.

        Raises:
            AvatarNotFoundError: There is none of this id.
            AvatarCorruptError: Its file is damaged.
        """
        return self._summary(avatar_id)

    def __contains__(self, avatar_id: str) -> bool:
        return self._files.path(avatar_id).is_file()

    def remove(self, avatar_id: str) -> None:
        """Delete an avatar; whoever has it open keeps it until closing.

        Raises:
            AvatarNotFoundError: There is none of this id.
        """
        try:
            self._files.remove(avatar_id)
        except KeyError:
            raise _not_found(avatar_id, self.root) from None

    def attach(
        self, avatar_id: str, encoder: FeatureEncoder, *, budget_bytes: int = BUDGET_BYTES
    ) -> bool:
        """Store a generator's features with an existing avatar.

        Returns:
            Whether they are stored now: not when they exceed the budget.

        Raises:
            AvatarNotFoundError: There is none of this id.
            OutputError: The store cannot be written.
        """
        if avatar_id not in self:
            raise _not_found(avatar_id, self.root)
        try:
            with self._files.lock(avatar_id):
                self._attach(avatar_id, encoder, budget_bytes)
        except OSError as error:
            raise self._unwritable(error) from error
        return encoder.digest in self._summary(avatar_id).manifest.features

    def export(self, avatar_id: str, target: Path) -> None:
        """Copy an avatar's file to where it can travel from.

        Raises:
            AvatarNotFoundError: There is none of this id.
            AvatarCorruptError: Its file is damaged; nothing is exported.
            OutputError: The target cannot be written.
        """
        _verify(self._files.path(avatar_id))
        partial = target.with_name(f".{target.name}.partial")
        try:
            shutil.copyfile(self._files.path(avatar_id), partial)
            partial.replace(target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OutputError(f"cannot write {target}: {error.strerror or error}") from error

    def import_(self, source: Path, *, avatar_id: str | None = None) -> AvatarSummary:
        """Take over an avatar file from another machine, after checking every byte.

        Args:
            source: The file.
            avatar_id: Id to give it; ``None`` for the one made from its content.

        Raises:
            AvatarNotFoundError: There is no such file.
            AvatarCorruptError: It is no intact avatar file.
            OutputError: The store cannot be written.
        """
        try:
            with self._files.draft() as folder:
                draft = folder / f"{source.stem}{SUFFIX}"
                _fetch(source, draft)
                # The copy is checked, so that nothing can change between check and use.
                manifest = _verify(draft, remedy="export or copy it again")
                key = check_key(avatar_id or manifest.fingerprint[:ID_LENGTH])
                with self._files.lock(key):
                    self._files.publish(draft, key)
        except OSError as error:
            raise self._unwritable(error) from error
        return self._summary(key)

    def check(self, avatar_id: str) -> None:
        """Compare every byte of an avatar with its hash.

        Raises:
            AvatarNotFoundError: There is none of this id.
            AvatarCorruptError: It is damaged; the message names the member and how to repair it.
        """
        if avatar_id not in self:
            raise _not_found(avatar_id, self.root)
        _verify(self._files.path(avatar_id))

    def check_all(self) -> tuple[AvatarCheck, ...]:
        """Check every avatar, those that ``list`` leaves out as unreadable too."""
        return tuple(self._checked(key) for key in self.ids())

    def _checked(self, key: str) -> AvatarCheck:
        try:
            self.check(key)
        except AvatarError as error:
            return AvatarCheck(key, str(error))
        return AvatarCheck(key)

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write the avatar store {self.root}: {error.strerror or error}")

    def _is_ready(self, key: str, name: str) -> bool:
        """Tell whether this very content lies under ``key``."""
        try:
            self._files.get(key)
            return self._summary(key).manifest.fingerprint == name
        except (KeyError, AvatarError):
            return False

    def _adopt(self, key: str, name: str) -> bool:
        """Use the same content prepared under another id, if there is any."""
        twin = next((s for s in self.list() if s.manifest.fingerprint == name), None)
        if twin is None:
            return False
        self._files.alias(twin.avatar_id, key)
        return True

    def _prepare(
        self,
        key: str,
        source: Source,
        options: PrepareOptions,
        detector: FaceDetector,
        progress: Progress | None,
    ) -> None:
        with self._files.draft() as folder:
            draft = folder / f"new{SUFFIX}"
            prepare_avatar(source, draft, options, detector, progress=progress)
            self._files.publish(draft, key)
        logger.debug("prepared avatar %s", key)

    def _attach(self, key: str, encoder: FeatureEncoder, budget_bytes: int) -> None:
        if encoder.digest in self._summary(key).manifest.features:
            return
        with self._files.draft() as folder:
            draft = folder / f"new{SUFFIX}"
            if attach_features(self._files.path(key), draft, encoder, budget_bytes=budget_bytes):
                self._files.publish(draft, key)

    def _summary(self, key: str, *, cached: bool = False) -> AvatarSummary:
        path = self._files.path(key)
        if not path.is_file():
            raise _not_found(key, self.root)
        bundle = Bundle(path)
        bundle.close()
        status = path.stat()
        return AvatarSummary(key, path, bundle.manifest, status.st_size, status.st_mtime, cached)


def _fetch(source: Path, draft: Path) -> None:
    try:
        with source.open("rb") as file, draft.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise AvatarNotFoundError(f"no avatar file at {source}: {error.strerror}") from error


def _verify(path: Path, *, remedy: str | None = None) -> Manifest:
    """Check every byte of an avatar file and that a reader can use it."""
    bundle = Bundle(path, remedy=remedy)
    try:
        for name in bundle.manifest.members:
            bundle.verify(name)
    finally:
        bundle.close()
    with CachedAvatar(path, remedy=remedy) as avatar:
        avatar.frame(0)
    return bundle.manifest


def _not_found(avatar_id: str, root: Path) -> AvatarNotFoundError:
    return AvatarNotFoundError(
        f"no avatar {avatar_id!r} in {root}; `mouthpiece avatar list` shows those there are"
    )
