"""How a score reads: where it stands among an image's chance scores, in a word and two numbers."""

from components.collection.query import Query
from components.encoder import Encoder
from components.scores import Floats, band, cosine, percentile, zscore
from components.ui.vectors import bank

READING = (
    "How it reads: the percentage is the share of 1,000 everyday captions, written for no image,"
    " that fit the image less well; z is the distance from their mean in standard deviations."
    " Below 80% it is **no match**, from there **weak**, from 97% **fair**, from 99% **strong**."
)


def reading(percentile: float, zscore: float) -> str:
    """Return what a score means among chance scores: "strong, 99.8%, z 3.9"."""
    return f"{band(percentile)}, {standing(percentile, zscore)}"


def standing(percentile: float, zscore: float) -> str:
    """Return the two numbers alone: "99.8%, z 3.9"."""
    return f"{percentile:.1%}, z {round(zscore, 1) + 0.0:.1f}"  # no -0.0


def read_query(
    encoder: Encoder, query: Query | None, vectors: Floats | None
) -> list[tuple[float, float]]:
    """Return (percentile, z) of each image's unit vector (n, width) among its chance scores.

    Empty where the query is not one of words: images' cosines with images are of another kind.
    """
    if query is None or vectors is None or not query.is_text:
        return []
    chance = cosine(bank(encoder.key, encoder), vectors)
    cosines = cosine(query.vector[None], vectors)
    shares, distances = percentile(cosines, chance)[0], zscore(cosines, chance)[0]
    return [(float(s), float(z)) for s, z in zip(shares, distances, strict=True)]
