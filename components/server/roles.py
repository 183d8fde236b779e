"""Who may do what: the roles, the least role of each action, and the role of an address."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

from components.errors import CaptionLensError


class AccessError(CaptionLensError):
    """The settings of the login cannot be used: nobody is let in until they are mended."""


class NotAllowed(CaptionLensError):  # noqa: N818 - a state, not a failure
    """A role is too low for an action."""


class Role(IntEnum):
    """What a person may do; each role includes those below it."""

    VIEWER = 1  # searches, matches and reads
    EDITOR = 2  # makes collections, decides in Check, trains
    ADMIN = 3  # removes, downloads models, sees the usage

    @property
    def word(self) -> str:
        """The role in a word: "viewer"."""
        return self.name.lower()


class Permission(Enum):
    """What not everyone may do; the value says what is impossible without it."""

    INDEX = "collections cannot be made or changed"
    DECIDE = "decisions cannot be kept with a collection"
    READ_PATHS = "places on the server cannot be read"
    TRAIN = "models cannot be trained"
    REMOVE = "collections and models cannot be removed"
    DOWNLOAD = "models cannot be downloaded"
    SEE_USAGE = "the usage cannot be seen"


_LEAST = {
    Permission.INDEX: Role.EDITOR,
    Permission.DECIDE: Role.EDITOR,
    Permission.READ_PATHS: Role.EDITOR,
    Permission.TRAIN: Role.EDITOR,
    Permission.REMOVE: Role.ADMIN,
    Permission.DOWNLOAD: Role.ADMIN,
    Permission.SEE_USAGE: Role.ADMIN,
}


def permits(role: Role | None, action: Permission) -> bool:
    """Return whether a role may do something; None is nobody's."""
    return role is not None and role >= _LEAST[action]


def refusal(action: Permission, role: Role | None, read_only: bool) -> str:
    """Return why an action is not possible, and what to do about it, in a sentence."""
    if read_only:
        return f"This installation is read-only: {action.value} here."
    if role is None:
        return f"You are not logged in: {action.value}. Log in first."
    needed = _LEAST[action].word
    return f"Your role is {role.word}: {action.value}. Ask for the role {needed}."


@dataclass(frozen=True)
class Access:
    """Who is let in, and with which role: lists of addresses and of whole domains."""

    allowed: tuple[str, ...] = ()
    editors: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()

    @staticmethod
    def of(section: object) -> "Access":
        """Return the access of ``[captionlens]`` in secrets.toml. Raises AccessError."""
        if not isinstance(section, Mapping):
            raise AccessError("[captionlens] in secrets.toml must be a table with a list allowed.")
        return Access(*(_listed(section, name) for name in ("allowed", "editors", "admins")))

    @property
    def nobody(self) -> bool:
        """Whether nobody at all is let in."""
        return not (self.allowed or self.editors or self.admins)

    def role_of(self, claims: Mapping[str, object]) -> Role | None:
        """Return the role of a logged-in person, None for one who is not let in.

        ``claims`` are what the provider says of the person (OpenID Connect Core 1.0, section 5.1).
        """
        address = verified_address(claims)
        listed = {Role.ADMIN: self.admins, Role.EDITOR: self.editors, Role.VIEWER: self.allowed}
        return next((role for role, entries in listed.items() if matches(address, entries)), None)


def _listed(section: Mapping[object, object], name: str) -> tuple[str, ...]:
    entries = section.get(name, [])
    if not isinstance(entries, list | tuple) or not all(isinstance(each, str) for each in entries):
        raise AccessError(
            f'{name} of [captionlens] in secrets.toml must be a list, such as ["example.org"].'
        )
    return tuple(entries)


def verified_address(claims: Mapping[str, object]) -> str:
    """Return the e-mail address of a person, "" without one or where it is said to be unverified.

    Some providers say nothing about it, and some write ``true`` in quotation marks.
    """
    address, verified = claims.get("email"), claims.get("email_verified", True)
    if not isinstance(address, str) or (verified is not True and verified != "true"):
        return ""
    return address


def matches(address: str, entries: Iterable[str]) -> bool:
    """Return whether an address is one of some entries, or of a domain that is one of them.

    Case does not matter; a domain does not include its subdomains.
    """
    address = _folded(address)
    name, _, domain = address.partition("@")
    plain = name and domain and "@" not in domain and address.isprintable() and " " not in address
    if not plain:
        return False
    return any(_folded(entry.removeprefix("@")) in {address, domain} for entry in entries)


def _folded(text: str) -> str:
    """Return ASCII text in lower case; other letters may fold into ASCII, and stay as they are."""
    return text.strip().lower() if text.isascii() else text
