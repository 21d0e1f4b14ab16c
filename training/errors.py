"""What can go wrong while data sets are made."""

from runtime.errors import InputError


class RejectedError(InputError):
    """A portrait or a clip is not fit for training; the message says why."""
