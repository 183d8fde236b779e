"""The credit line of a sample image."""

from components.images import sample_credit
from components.ui.text import plain


def sample_credit_line(name: str) -> str:
    """Return a sample's author and licence as Markdown with links; empty for other images."""
    credit = sample_credit(name)
    if credit is None:
        return ""
    author = _linked(credit.author, credit.source)
    return f"Photo: {author} · {_linked(credit.licence, credit.licence_url)}"


def _linked(text: str, url: str) -> str:
    return f"[{plain(text)}]({url})" if url else plain(text)
