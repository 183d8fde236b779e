"""How a score compares with an image's chance scores: a band, a percentile and a z."""

from components.collection.query import Query
from components.encoder import Encoder
from components.scores import Floats, band, cosine, explain_bands, percentile, prominence, zscore
from components.ui.vectors import bank

READING = (
    "The percentage is the share of 1,000 everyday captions, written for no image, that fit the"
    " image less well; z is the distance from their mean in standard deviations."
    f" {explain_bands('**')}"
)


def reading(percentile: float, zscore: float, prominence: float) -> str:
    """Return the band and the two numbers: "strong, 99.8%, z 3.9"."""
    return f"{band(percentile, prominence)}, {standing(percentile, zscore)}"


def standing(percentile: float, zscore: float) -> str:
    """Return the two numbers alone: "99.8%, z 3.9"."""
    return f"{percentile:.1%}, z {round(zscore, 1) + 0.0:.1f}"  # no -0.0


def read_query(
    encoder: Encoder,
    query: Query | None,
    vectors: Floats | None,
    results: Floats | None = None,
) -> list[tuple[float, float, float]]:
    """Return (percentile, z, prominence) of each image's unit vector (n, width).

    ``results`` (m,): the query's cosines with all images found, of which these are a page; by
    default, these are all. Empty if the query contains an image: chance scores are cosines with
    captions.
    """
    if query is None or vectors is None or not query.is_text:
        return []
    chance = cosine(bank(encoder.key, encoder), vectors)
    cosines = cosine(query.vector[None], vectors)
    shown = cosines if results is None else results[None]
    columns = (
        percentile(cosines, chance)[0],
        zscore(cosines, chance)[0],
        prominence(cosines, chance, shown)[0],
    )
    return [(float(s), float(z), float(p)) for s, z, p in zip(*columns, strict=True)]
