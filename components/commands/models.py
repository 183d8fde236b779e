"""``models``: list, download, prepare and remove models."""

import shutil
import sys
from typing import Annotated

import typer

from components import models
from components.commands.console import load_encoder, say
from components.errors import CaptionLensError
from components.models import CATALOGUE
from components.words import megabytes

models_app = typer.Typer(no_args_is_help=True, help="List, download, prepare and remove models.")


@models_app.command("list")
def list_models() -> None:
    """List the models of the catalogue and those on disk."""
    from components.encoder.runtimes.prepared import int8_check, unused

    located = {spec.id: models.locate(spec) for spec in models.on_disk()}
    for card in CATALOGUE:
        state = "on disk" if card.spec.id in located else megabytes(card.size_mb * 1_000_000)
        typer.echo(f"{state:>10}  {card.spec.id}\n{'':>10}  {card.good_for}")
    for model_id in sorted(located.keys() - {card.spec.id for card in CATALOGUE}):
        typer.echo(f"{'on disk':>10}  {model_id}")
    for model_id in sorted(located):
        check = int8_check(located[model_id])
        if check:
            typer.echo(f"{'':>10}  {model_id}: {check.sentence()}")
    for folder in unused(located.values()):
        size = megabytes(models.folder_size(folder))
        typer.echo(f"{size:>10}  {folder.name}: a conversion that belongs to no model above")


@models_app.command()
def pull(
    model: str,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Download without confirmation.")
    ] = False,
) -> None:
    """Download MODEL into model_cache; a stopped download is resumed."""
    import threading

    from components.models import fetch, plan_download

    download = plan_download(models.resolve(model))
    if not yes:
        typer.confirm(f"Download {megabytes(download.missing_bytes)}?", abort=True, err=True)
    with typer.progressbar(
        length=download.total_bytes, label="Downloading", file=sys.stderr
    ) as bar:
        fetch(download, lambda now: bar.update(now.done_bytes - bar.pos), threading.Event())
    say(f"{model} is on disk.")


@models_app.command()
def remove(
    model: Annotated[str, typer.Argument(help="A model on disk.")] = "",
    unused: Annotated[
        bool,
        typer.Option("--unused", help="Remove the conversions that belong to no model on disk."),
    ] = False,
) -> None:
    """Remove MODEL from model_cache, or conversions whose models are gone."""
    from components.encoder.runtimes import prepared

    if bool(model) == unused:
        raise CaptionLensError("Name a model, or use --unused.")
    if model:
        freed = models.remove(models.resolve(model))
    else:
        folders = prepared.unused(models.locate(spec) for spec in models.on_disk())
        freed = sum(map(models.folder_size, folders))
        for folder in folders:
            shutil.rmtree(folder)
    say(f"{megabytes(freed)} freed.")


@models_app.command()
def prepare(
    model: Annotated[str, typer.Argument(help="The default model of the app if omitted.")] = "",
) -> None:
    """Convert MODEL and encode the bank of everyday captions, so that its first use is fast."""
    from components.encoder import bank_vectors

    bank_vectors(load_encoder(model))
