"""Collections in a place that several computers read: a shared folder, or object storage."""

from components.collection.shared.publishing import publish
from components.collection.shared.reading import (
    check_not_shared,
    forget,
    open_shared,
    shared_manifest,
    shared_publication,
    shared_states,
    verify_shared,
)

__all__ = [
    "check_not_shared",
    "forget",
    "open_shared",
    "publish",
    "shared_manifest",
    "shared_publication",
    "shared_states",
    "verify_shared",
]
