"""The error tree: every failure a caller can act on is a leaf of ``MouthpieceError``."""


class MouthpieceError(Exception):
    """Base of every error that mouthpiece raises on purpose; the message is for the user."""


class InputError(MouthpieceError):
    """The user's input cannot be used as it is."""


class AudioDecodeError(InputError):
    """The audio is not readable: wrong format, corrupt, or without an audio stream."""


class AudioTooShortError(InputError):
    """The audio holds less than one video frame of sound."""


class AudioTooLongError(InputError):
    """The audio is longer than the limit in force."""


class VideoDecodeError(InputError):
    """The image or video is not readable: wrong format, corrupt, or without a picture."""


class UnsupportedFormatError(InputError):
    """The file is readable but of a kind that this operation does not take."""


class OutputError(InputError):
    """The result cannot be written where it was asked for."""


class FaceNotFoundError(InputError):
    """No face (or not the face asked for) was found.

    Attributes:
        frame_index: First frame without a face, 0-based; ``None`` when no frame has one.
    """

    def __init__(self, message: str, *, frame_index: int | None = None) -> None:
        super().__init__(message)
        self.frame_index = frame_index


class OptionError(InputError):
    """An option has a value that cannot be honoured."""


class AvatarError(MouthpieceError):
    """Something about a cached avatar."""


class AvatarNotFoundError(AvatarError):
    """No avatar is cached under this id."""


class AvatarCorruptError(AvatarError):
    """A cached avatar does not match its own hashes; add it again from its source."""


class ModelError(MouthpieceError):
    """A network cannot be used; a service refuses to start."""


class ModelNotFoundError(ModelError):
    """A network is not installed."""


class ModelMismatchError(ModelError):
    """A network's metadata differs from what the engine needs; the message names the key."""


class LimitError(MouthpieceError):
    """A limit in force forbids this request."""


class TooLargeError(LimitError):
    """The input is larger than the limit in force."""


class BusyError(LimitError):
    """No capacity now.

    Attributes:
        retry_after_s: When to try again, in seconds.
    """

    def __init__(self, message: str, *, retry_after_s: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineError(LimitError):
    """The work took longer than the deadline in force."""


class CancelledError(MouthpieceError):
    """The caller withdrew the work."""


class ConversionError(MouthpieceError):
    """A checkpoint cannot be turned into a network."""


class CheckpointError(ConversionError):
    """The checkpoint file is unreadable or of an unknown layout."""


class CalibrationError(ConversionError):
    """There is not enough data to calibrate INT8."""


class FidelityError(ConversionError):
    """The quantized network is too far from its source."""
