"""The dialog of one image, or of one moment of a film: large, with its metadata and actions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from components.collection.collection import Collection
from components.collection.manifest import CollectionError
from components.collection.query import Query
from components.collection.records import Record
from components.collection.search import WITHIN, Limits, SearchResult, frames_of, search
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.films.moment import clock, film_of
from components.images import Source, enlarge, source_of
from components.scores import Floats
from components.ui import tray
from components.ui.charts import contributions
from components.ui.grid import ROW_HEIGHTS, Group, Look, Picture, Tile, grid, stage
from components.ui.reading import read_query, reading
from components.ui.search import film
from components.ui.search.query import more_like
from components.ui.setup import MATCH, page
from components.ui.text import linked, plain, web_address
from components.words import count, shorten

_STAGE = "search_stage"
PHOTO = "search_photo"  # in the link: the id of the open image
_SIMILAR = 6
_UNSPLASH = "https://unsplash.com/?utm_source=captionlens&utm_medium=referral"
_SHOWN_APART = frozenset(
    {"id", "image", "digest", "location", "photographer", "photographer_url", "page_url", "licence"}
    | {"seconds", "film_seconds"}
)


def credit(collection: Collection, record: Record) -> tuple[tuple[str, str], ...]:
    """Return the credit that Unsplash's terms ask for, as (text, address or "") pieces.

    None for other collections, whose photographer the large view names.
    """
    if collection.manifest.source.kind != "unsplash":
        return ()
    name, url = record.get("photographer"), web_address(record.get("photographer_url"))
    photographer = (str(name or "an unknown photographer"), url)
    return ("Photo by ", ""), photographer, (" on ", ""), ("Unsplash", _UNSPLASH)


def _credit_line(collection: Collection, record: Record) -> str:
    """Return the credit as Markdown, with the licence and a link to the photograph's page."""
    name = record.get("photographer")
    by = credit(collection, record) or (((f"By {name}", ""),) if name else ())
    licence, page_url = record.get("licence"), record.get("page_url")
    more = [plain(str(licence))] if licence else []
    more += [linked("Photo page", str(page_url), host=True)] if web_address(page_url) else []
    return " · ".join(filter(None, ["".join(linked(*piece) for piece in by), *more]))


def alt(record: Record) -> str:
    """Return an image's alternative text: its description or first caption, else its name.

    Of a film's frame, the film and the time.
    """
    if moment := film_of(str(record["id"])):
        return f"Frame of {shorten(moment[0], 120)} at {clock(moment[1])}"
    captions = record.get("captions")
    texts = [record.get("description"), captions[0] if isinstance(captions, list) else None]
    text = next((str(text) for text in texts if text), "")
    return shorten(text, 160) if text else str(record["image"])


def open_photo(id_: str) -> None:
    """Open an image, which puts its id into the link."""
    st.query_params[PHOTO] = id_
    film.seek()


def _close() -> None:
    st.query_params.pop(PHOTO, None)


def original(collection: Collection, record: Record) -> Source:
    """Return the source of an image in full size; of a film's frame, that frame."""
    if moment := film.moment_of(collection, record["id"]):
        return film.frame_source(record, *moment)
    place, name = str(record["location"]), str(record["image"])
    if not place.startswith(("http://", "https://")):
        return source_of(Path(place), name)
    from components.collection.sources.remote import Fetcher
    from components.collection.sources.unsplash import with_query

    if collection.manifest.source.kind == "unsplash":
        place = with_query(place, {"w": "1600", "q": "80", "fm": "jpg"})
    return source_of(partial(Fetcher().get, place), name)


def photo_view(
    encoder: Encoder,
    collection: Collection,
    query: Query | None,
    result: SearchResult,
    order: Sequence[str],
) -> None:
    """Draw the open image, large, with its actions, score, metadata and similar images.

    ``order``: the ids of the images on the page, which shows a part of ``result``. A frame opens
    its film, with the film's best moments.
    """
    title = "Film" if film.has_films(collection) else "Image"
    dialog = st.dialog(title, width="large", on_dismiss=_close)
    dialog(_photo_view)(encoder, collection, query, result, order)


def _photo_view(
    encoder: Encoder,
    collection: Collection,
    query: Query | None,
    result: SearchResult,
    order: Sequence[str],
) -> None:
    try:
        record = collection.records([st.query_params.get(PHOTO, "")])[0]
    except CollectionError as error:
        st.warning(plain(str(error)), icon=":material/image_not_supported:")
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _large(collection, record, order)
    with right:
        st.markdown(f"**{plain(shorten(str(record['image']), 80))}**")
        film.tell_time(collection, record)
        if line := _credit_line(collection, record):
            st.markdown(line)
        _actions(collection, record)
        if query:
            _score(encoder, query, collection.vectors([str(record["id"])]), result)
        _metadata(record)
    if film.has_films(collection):
        _film(collection, query, record)
    _similar(collection, str(record["id"]))


def _large(collection: Collection, record: Record, order: Sequence[str]) -> None:
    id_ = str(record["id"])
    among = list(order) if id_ in order else [id_]
    at = among.index(id_)

    def move(way: int) -> None:
        open_photo(among[at + way])

    if film.has_films(collection):
        film.play(collection, record, (at + 1, len(among)), _STAGE, move)
        return
    try:
        image = enlarge(original(collection, record))
    except CaptionLensError as error:
        image = collection.thumbnail(id_)
        st.caption(f":material/info: Thumbnail shown instead. {plain(str(error))}")
    stage(image, alt(record), (at + 1, len(among)), _STAGE, move)


def _film(collection: Collection, query: Query | None, record: Record) -> None:
    """Draw the score along the film and its best moments."""
    name, _ = film.moment_of(collection, record["id"]) or ("", 0.0)
    found = None
    if query:
        found = frames_of(collection, query.vector, name, record.get("film_seconds"))
        film.show_timeline(collection, query, record, found, open_photo)
    best = film.strip(found, collection, name)
    cosines = [*map(float, best.cosines)] or None
    title = "Best moments of this film" if query else "Moments of this film"
    _row(collection, Row("film_grid", title, best.ids, cosines, str(record["id"])))


def _actions(collection: Collection, record: Record) -> None:
    with st.container(horizontal=True):
        if st.button("More like this", icon=":material/search:", type="primary"):
            _close()
            more_like(str(record["id"]))
            st.rerun()
        if st.button("Use in Match", icon=":material/image_search:"):
            add_to_tray(collection, record)
            # Not None: in a dialog, Streamlit then refuses while widgets are bound to the link.
            st.switch_page(page(MATCH), query_params={})
        if st.button(
            "Add to tray",
            icon=":material/playlist_add:",
            help="Adds it to the tray, whose images Match, Matrix and Train use",
        ):
            add_to_tray(collection, record)
            st.toast(f"{count(len(tray.tray()), 'image')} in the tray.", icon=":material/check:")


def add_to_tray(collection: Collection, record: Record) -> None:
    """Add the image to the tray, its credit in its name; its thumbnail if it cannot be read."""
    cited = "".join(text for text, _ in credit(collection, record))
    name = " · ".join(filter(None, [str(record["image"]), cited]))
    key = f"{collection.manifest.name}/{record['id']}"
    try:
        tray.add(key, source_of(original(collection, record).data, name))
    except CaptionLensError:
        tray.add(key, source_of(collection.thumbnail(str(record["id"])), name))


def _score(encoder: Encoder, query: Query, vectors: Floats, result: SearchResult) -> None:
    shares = query.contributions(vectors)[0]
    read = read_query(encoder, query, vectors, result.cosines)
    readings = "".join(f" ({reading(*each)})" for each in read)
    st.markdown(f"Cosine with the query: **{shares.sum():.3f}**{readings}")
    if len(shares) < 2:
        return
    st.caption("What each term adds to it:")
    alt_text = ", ".join(f"{t} {s:+.2f}" for t, s in zip(query.labels, shares, strict=True))
    st.image(contributions(query.labels, [*map(float, shares)]), width=220, alt=alt_text)


def _metadata(record: Record) -> None:
    rows = [(n, v) for n, v in record.items() if v not in (None, "", []) and n not in _SHOWN_APART]
    table = {plain(name.replace("_", " ")): _readable(value) for name, value in rows}
    st.table({"Field": list(table), "Value": list(table.values())}, border="horizontal")


def _readable(value: object) -> str:
    return plain("; ".join(map(str, value)) if isinstance(value, list) else str(value))


def _similar(collection: Collection, id_: str) -> None:
    films = film.has_films(collection)
    vector = collection.vectors([id_])[0]
    limits = Limits(_SIMILAR + 1, within=WITHIN if films else 0.0)
    others = [other for other in search(collection, vector, limits).ids if other != id_]
    title = "Similar moments" if films else "Similar images"
    _row(collection, Row("similar_grid", title, others[:_SIMILAR]))


@dataclass(frozen=True)
class Row:
    """A row of images under the large one: ids, their cosines if known, the one to frame."""

    key: str
    title: str
    ids: Sequence[str]
    cosines: Sequence[float] | None = None
    framed: str = ""


def _row(collection: Collection, row: Row) -> None:
    if not row.ids:
        return
    scores = [f"{cosine:.3f}" for cosine in row.cosines] if row.cosines else [""] * len(row.ids)
    tiles = [
        Tile(
            str(record["id"]),
            picture(collection, record),
            score=score,
            lines=film.lines(collection, record["id"]),
            credit=credit(collection, record),
        )
        for record, score in zip(collection.records(row.ids), scores, strict=True)
    ]
    group = Group(row.key, tiles, title=row.title)
    look = Look(ROW_HEIGHTS["Small"], framed=row.framed)
    grid(row.key, [group], lambda id_, _: open_photo(id_), look=look)


def picture(collection: Collection, record: Record) -> Picture:
    """Return an image's picture as the grid takes it."""
    width, height = record.get("width"), record.get("height")
    known = isinstance(width, int | float) and isinstance(height, int | float)
    size = (int(width), int(height)) if known and width and height else (3, 2)  # type: ignore[arg-type]
    return Picture(
        collection.thumbnail(str(record["id"])), *size, str(record["image"]), alt(record)
    )
