"""The catalogue of models, the models on disk, and their download."""

from components.models.catalogue import CATALOGUE, ModelCard, ModelSpec
from components.models.checkpoint import (
    DENSENET_LSTM,
    MATCHERS,
    PAIR_MATCHER,
    Located,
    family,
    has_transformer,
    parameters,
    weights_digest,
)
from components.models.disk import (
    default_id,
    folder_size,
    is_on_disk,
    keep_trained,
    locate,
    on_disk,
    refuse_taken,
    remove,
)
from components.models.download import Progress, fetch
from components.models.hub import Download, plan_download
from components.models.ids import resolve, trained_folder

__all__ = [
    "CATALOGUE",
    "DENSENET_LSTM",
    "MATCHERS",
    "PAIR_MATCHER",
    "Download",
    "Located",
    "ModelCard",
    "ModelSpec",
    "Progress",
    "default_id",
    "family",
    "fetch",
    "folder_size",
    "has_transformer",
    "is_on_disk",
    "keep_trained",
    "locate",
    "on_disk",
    "parameters",
    "plan_download",
    "refuse_taken",
    "remove",
    "resolve",
    "trained_folder",
    "weights_digest",
]
