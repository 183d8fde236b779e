"""``models``: list, fetch, prepare and remove checkpoints."""

import sys
from typing import Annotated

import typer

from components import models
from components.commands.console import load_encoder, say
from components.models import CATALOGUE

models_app = typer.Typer(no_args_is_help=True, help="List, fetch and remove models.")


@models_app.command("list")
def list_models() -> None:
    """Show the curated models and those on disk."""
    here = {spec.id for spec in models.on_disk()}
    for card in CATALOGUE:
        state = "on disk" if card.spec.id in here else f"{card.size_mb:,} MB"
        typer.echo(f"{state:>10}  {card.spec.id}\n{'':>10}  {card.good_for}")
    for model_id in sorted(here - {card.spec.id for card in CATALOGUE}):
        typer.echo(f"{'on disk':>10}  {model_id}")


@models_app.command()
def pull(
    model: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Download MODEL into model_cache; a download that was stopped goes on where it was."""
    import threading

    from components.models import fetch, plan_download

    download = plan_download(models.resolve(model))
    if not yes:
        typer.confirm(f"Download {download.missing_bytes / 1e6:,.0f} MB?", abort=True, err=True)
    with typer.progressbar(
        length=download.total_bytes, label="Downloading", file=sys.stderr
    ) as bar:
        fetch(download, lambda now: bar.update(now.done_bytes - bar.pos), threading.Event())
    say(f"{model} is on disk.")


@models_app.command()
def remove(model: str) -> None:
    """Remove MODEL from model_cache."""
    freed = models.remove(models.resolve(model))
    say(f"{freed / 1e6:,.0f} MB freed.")


@models_app.command()
def prepare(model: Annotated[str, typer.Argument(help="By default, the app's.")] = "") -> None:
    """Make ready what MODEL's first use would wait for: conversion and everyday captions."""
    from components.encoder import bank_vectors

    bank_vectors(load_encoder(model))
