"""A bank of everyday captions: the scores that an image reaches by chance, as a reference.

No caption of the bank describes any particular image. An image's scores against all of them are
its distribution of chance scores (`components.scores.percentile`, `zscore`).
"""

import hashlib
import io
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from components.encoder.encoder import Encoder
from components.files import write_bytes
from components.scores import Floats
from components.settings import Settings

_FOLDER = "background"  # of model_cache, under the name that earlier versions gave it

_PEOPLE = (
    "a man|a woman|a boy|a girl|a baby|an old couple|two friends|a group of people|a crowd|a family"
)
_ACTIONS = (
    "walking down a street|running on a track|riding a bicycle|swimming in a pool|playing a guitar|"
    "reading a book|cooking in a kitchen|talking on a telephone|sitting on a bench|climbing a rock|"
    "playing football|skiing down a slope|dancing at a party|sleeping on a sofa|drinking coffee|"
    "painting a picture|taking a photograph|waiting for a train|working at a computer|"
    "eating at a table|surfing a wave|jumping in the air|fishing from a boat|shopping in a market|"
    "standing in the rain"
)
_ANIMALS = (
    "a dog|a cat|a horse|a cow|a sheep|a goat|a pig|a chicken|a duck|a parrot|an owl|an eagle|"
    "a swan|a penguin|a fish|a shark|a whale|a dolphin|a turtle|a frog|a snake|a lizard|"
    "a crocodile|a butterfly|a bee|a spider|a beetle|a snail|a crab|a jellyfish|an elephant|"
    "a lion|a tiger|a bear|a wolf|a fox|a deer|a rabbit|a squirrel|a mouse|a bat|a monkey|"
    "a gorilla|a camel|a zebra|a giraffe|a kangaroo|a hippopotamus|a flock of birds|"
    "a herd of cattle"
)
_PLACES = "in a field of grass|in the snow|near water|in a cage|on a white background"
_THINGS = (
    "a car|a bus|a truck|a tractor|a train|an aeroplane|a helicopter|a sailing boat|a ship|"
    "a motorcycle|a bicycle|a rocket|a traffic light|a road sign|a bridge|a house|a church|"
    "a castle|a skyscraper|a tower|a lighthouse|a windmill|a factory|a fountain|a statue|a door|"
    "a window|a staircase|a fence|a brick wall|a chair|a table|a bed|a lamp|a mirror|a clock|"
    "a bookshelf|a carpet|a vase of flowers|a candle|a cup|a plate|a bottle|a glass of wine|"
    "a knife and fork|a frying pan|a kettle|a refrigerator|a sink|a basket|a computer|a keyboard|"
    "a telephone|a television|a camera|a radio|a microscope|a pair of scissors|a hammer|a saw|"
    "a box|a suitcase|an umbrella|a hat|a pair of shoes|a dress|a wristwatch|a ring|"
    "a pair of glasses|a handbag|a ball|a kite|a doll|a chess board|a guitar|a piano|a violin|"
    "a drum|a trumpet|a book|a newspaper|a map|a banknote|a pile of coins|a pencil|a stamp|a key|"
    "a flag|a balloon|a bonfire|an apple|a banana|a bowl of soup|a pizza|a sandwich|"
    "a birthday cake|a loaf of bread|a salad|an ice cream|a plate of sushi"
)
_LOOKS = "a photo of {}|a close-up of {}|a drawing of {}"
_SCENES = (
    "a sandy beach|a rocky coast|a tropical island|the open sea|a river in a valley|a waterfall|"
    "a frozen lake|a swamp|a snowy mountain|a volcano|a desert with dunes|a canyon|a cave|"
    "a glacier|a pine forest|a jungle|a meadow full of flowers|a wheat field|a vineyard|"
    "an orchard|a garden|a park with trees|a farm|a village street|a city skyline|"
    "a busy crossroads|a motorway|a car park|a railway station|an airport hall|a harbour|"
    "a building site|a market place|a supermarket|a shop window|a restaurant|a bar|a kitchen|"
    "a living room|a bedroom|a bathroom|an office|a classroom|a library|a laboratory|"
    "a hospital room|a theatre stage|a concert|a museum|a church interior|a gymnasium|"
    "a swimming pool|a football stadium|a tennis court|a ski slope|a playground|a cemetery|"
    "a ruined temple|a wedding|a parade|a protest march|a funeral|a birthday party|a picnic|"
    "a camp site|the night sky|the full moon|a galaxy|a sunset|a rainbow|a thunderstorm|"
    "clouds seen from above|fog over fields|falling leaves|rain on a window"
)
_MOODS = "{}|{} in black and white"
_OTHERS = (
    "a page of text|a handwritten letter|a table of numbers|a bar chart|a map of a country|"
    "a circuit diagram|a screenshot of a program|a cartoon|an oil painting of a landscape|"
    "a pencil sketch of a face|a logo|a poster|a mosaic|a pattern of stripes|a pattern of dots|"
    "a checkerboard|a blurred picture|a picture that is almost black|a white wall|a blue surface|"
    "a red surface|a rough texture|wood grain|marble|rust on metal|a crumpled sheet of paper|"
    "woven cloth|leather|fur|feathers|cracked earth|pebbles|a pile of wood|a heap of rubbish|"
    "soap bubbles|an X-ray of a hand|cells under a microscope|a slice of a brain|a tooth|"
    "a human eye|an ear|a hand|feet|a beard|a tattoo|a machine with gears|wires and cables|"
    "a solar panel|a satellite|a robot"
)


@cache
def bank_captions() -> tuple[str, ...]:
    """Return the 1,000 captions of the bank."""
    return (
        *(f"{who} {does}" for who in _PEOPLE.split("|") for does in _ACTIONS.split("|")),
        *(f"{animal} {place}" for animal in _ANIMALS.split("|") for place in _PLACES.split("|")),
        *(look.format(thing) for thing in _THINGS.split("|") for look in _LOOKS.split("|")),
        *(mood.format(scene) for scene in _SCENES.split("|") for mood in _MOODS.split("|")),
        *_OTHERS.split("|"),
    )


@cache
def bank_nouns() -> dict[str, tuple[int, ...]]:
    """Return what the bank's captions are about, such as "a dog", and the rows of each in it."""
    about = (
        *((who, does) for who in _PEOPLE.split("|") for does in _ACTIONS.split("|")),
        *((animal,) for animal in _ANIMALS.split("|") for _ in _PLACES.split("|")),
        *((thing,) for thing in _THINGS.split("|") for _ in _LOOKS.split("|")),
        *((scene,) for scene in _SCENES.split("|") for _ in _MOODS.split("|")),
        *((each,) for each in _OTHERS.split("|")),
    )
    nouns: dict[str, list[int]] = {}
    for row, names in enumerate(about):
        for noun in names:
            nouns.setdefault(noun, []).append(row)
    return {noun: tuple(rows) for noun, rows in nouns.items()}


def bank_vectors(encoder: Encoder) -> Floats:
    """Return (1000, width) unit vectors of the bank.

    Encoding takes seconds, once per model, revision and precision; kept in ``model_cache``.
    """
    file = _file(encoder)
    cached = _read(file, encoder.recipe.width)
    if cached is not None:
        return cached
    rows = encoder.texts(bank_captions())
    out = io.BytesIO()
    np.save(out, rows, allow_pickle=False)
    with suppress(OSError):  # without the cache the bank is encoded again next time
        write_bytes(file, out.getvalue())
    return rows


def _file(encoder: Encoder) -> Path:
    key = "\n".join([*encoder.key, encoder.runtime.library, *bank_captions()])
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return Settings().model_cache / _FOLDER / f"{digest}.npy"


def _read(file: Path, width: int) -> Floats | None:
    """Return what `bank_vectors` wrote, None where there is no such file or it is damaged."""
    try:
        with file.open("rb") as cached:  # np.load would also open zip files
            rows: Floats = np.lib.format.read_array(cached, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return (
        rows if rows.shape == (len(bank_captions()), width) and rows.dtype == np.float32 else None
    )
