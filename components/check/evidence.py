"""Evidence for and against each pair of a captioned dataset: pure functions on unit vectors."""

from dataclasses import dataclass

from components.check.caption_set import Indices
from components.scores import Floats


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against each pair; every field is (pairs,).

    ``cosine`` of caption and image; ``percentile`` of it among chance captions (0 to 1);
    ``image_rank`` of the image among all images for the caption, and ``caption_rank`` of the
    caption among the other images' captions for the image, both from 1; ``image_margin`` and
    ``caption_margin``, the cosine less the best other image's and the best caption's of another
    image; ``siblings``, the mean cosine with the image's other captions, NaN where it has none;
    ``near_captions``, the mean cosine with the captions of the most similar images, and
    ``near_images``, that of the image with the images of the most similar captions; ``swap``, the
    row of the pair with which it seems to be exchanged, -1 where there is none; ``best_image`` and
    ``best_caption``, the best other image and the best caption (row) of another image.
    """

    cosine: Floats
    percentile: Floats
    image_rank: Indices
    caption_rank: Indices
    image_margin: Floats
    caption_margin: Floats
    siblings: Floats
    near_captions: Floats
    near_images: Floats
    swap: Indices
    best_image: Indices
    best_caption: Indices
