"""What the Hub, the network and the disk raise, as sentences that name the model and the remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from components.errors import CaptionLensError
from components.models import disk
from components.models.ids import ModelError


class HubError(ModelError):
    """A model that could not be downloaded, and what to do about it."""


class Stopped(CaptionLensError):  # noqa: N818 - not a failure: the person asked for it
    """A download that was stopped; what arrived is kept."""


@contextmanager
def naming_model(model: str) -> Iterator[None]:
    """Turn what the library and the disk raise into a HubError that names the model."""
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
        return f"{model} cannot be downloaded while HF_HUB_OFFLINE is set: unset it, and restart."
    if isinstance(error, httpx2.TimeoutException):
        return f"The Hub fell silent while it was asked for {model}: try again; it goes on."
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL):
        return (
            f"The Hub cannot be reached for {model}: check the network, or give the folder of a"
            " copy that you already have."
        )
    if isinstance(error, OSError):
        return _disk_trouble(model, error)
    return f"What answers for {model} is not the Hub: check HF_ENDPOINT and the network's log-in."


def _refusal(model: str, error: Any) -> str:
    from huggingface_hub.errors import GatedRepoError

    status = error.response.status_code
    if isinstance(error, GatedRepoError) or status == 403:
        return (
            f"{model} is for people who accepted its terms: accept them on its page at the Hub,"
            " set HF_TOKEN to your token, and try again."
        )
    if status in (401, 404):
        return f"The Hub has no model {model}, or it is private: check the id, or set HF_TOKEN."
    if status == 429:
        return f"The Hub asks us to slow down before it sends {model}: try again in a few minutes."
    return f"The Hub failed with an error of its own ({status}) over {model}: try again later."


def _disk_trouble(model: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk filled up while {model} was written: make room and try again; it goes on."
    reason = error.strerror or type(error).__name__
    return f"{model} could not be written under {disk.store().parent}: {reason}."
