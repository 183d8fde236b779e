"""The base class of the errors that users see."""


class CaptionLensError(Exception):
    """A failure; ``str(error)`` is one sentence that says what to do about it."""
