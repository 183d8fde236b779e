"""``explain``: the occlusion map of a caption over an image, and the effect of each word."""

from pathlib import Path
from typing import Annotated

import typer

from components.commands.console import ModelOption, load_encoder, say
from components.errors import CaptionLensError
from components.files import write_bytes


def explain(
    image: Annotated[Path, typer.Argument(help="An image file.")],
    caption: Annotated[str, typer.Argument(help='For example: "a dog on a beach".')],
    out: Annotated[Path, typer.Option(help="The figure's file: .png, .svg or .pdf.")],
    model: ModelOption = "",
) -> None:
    """Draw where CAPTION matches IMAGE, with a faithfulness check; print each word's effect."""
    from components import explain as why
    from components.encoder import bank_vectors, decode_for, parse_captions
    from components.images import source_of
    from components.output.explain_figure import Explained, draw
    from components.output.export import footer
    from components.output.matrix_figure import FORMS, save

    if out.suffix.lower() not in FORMS or not out.parent.is_dir():
        raise CaptionLensError(f"{out} must end in {', '.join(FORMS)}, in a folder that exists.")
    captions = parse_captions(caption, limit=1).captions
    if not captions:
        raise CaptionLensError("CAPTION is empty: write at least one word.")
    encoder = load_encoder(model)
    _, decoded = decode_for(encoder, source_of(image))
    gibberish = why.gibberish(captions[0])
    text, random_letters = encoder.texts([captions[0], gibberish])
    occlusion = why.occlude(encoder, decoded)
    salient = why.saliency(occlusion, text)
    explained = Explained(
        captions[0],
        gibberish,
        occlusion,
        salient,
        why.saliency(occlusion, random_letters),
        why.curves(encoder, occlusion, salient, text),
        why.full_colour(bank_vectors(encoder), occlusion.vector),
    )
    write_bytes(out, save(draw(explained, footer(encoder)), FORMS[out.suffix.lower()]))
    typer.echo(f"{float(occlusion.vector @ text):>7.3f}  {captions[0]}")
    for word in why.words(encoder, captions[0], occlusion.vector):
        typer.echo(f"{word.change:>+7.3f}  {word.text}")
    say(f"Wrote {out}.")
