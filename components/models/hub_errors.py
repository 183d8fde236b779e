"""Errors of the Hub, the network and the disk, as sentences that say what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from components.errors import CaptionLensError
from components.models import disk
from components.models.ids import ModelError


class HubError(ModelError):
    """A failed download; the sentence names the model and says what to do."""


class Stopped(CaptionLensError):  # noqa: N818 - requested, not a failure
    """A download was stopped; the part received is kept."""


@contextmanager
def naming_model(model: str) -> Iterator[None]:
    """Turn exceptions of the library and the disk into a HubError that names the model."""
    import httpx2

    try:
        yield
    except (HubError, Stopped):
        raise
    except ModelError as error:
        raise HubError(str(error)) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError) as error:
        raise HubError(_sentence(model, error)) from error


def _sentence(model: str, error: Exception) -> str:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        return _refusal(model, error)
    if isinstance(error, OfflineModeIsEnabled):
        return f"{model} cannot be downloaded while HF_HUB_OFFLINE is set: unset it and restart."
    if isinstance(error, httpx2.TimeoutException):
        return f"The Hub stopped responding for {model}: try again, the download resumes."
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL):
        return (
            f"The Hub cannot be reached for {model}: check the network, or give the folder of a"
            " local copy."
        )
    if isinstance(error, OSError):
        return _disk_error(model, error)
    return f"The server asked for {model} is not the Hub: check HF_ENDPOINT and any network log-in."


def _refusal(model: str, error: Any) -> str:
    from huggingface_hub.errors import GatedRepoError

    status = error.response.status_code
    if isinstance(error, GatedRepoError) or status == 403:
        return (
            f"{model} requires accepting its terms: accept them on its page at the Hub, set"
            " HF_TOKEN to your token, and try again."
        )
    if status in (401, 404):
        return f"The Hub has no model {model}, or it is private: check the id, or set HF_TOKEN."
    if status == 429:
        return f"The Hub limits the rate of requests for {model}: try again in a few minutes."
    return f"The Hub failed with a server error ({status}) for {model}: try again later."


def _disk_error(model: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: free some space and try again, the download of {model} resumes."
    reason = error.strerror or type(error).__name__
    return f"{model} could not be written under {disk.store().parent}: {reason}."
