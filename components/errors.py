"""The errors that a person may see."""


class CaptionLensError(Exception):
    """A failure told in one sentence that a person can act on: ``str(error)`` is that sentence."""
