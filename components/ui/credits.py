"""The credit line of a sample image."""

from components.images import sample_credit
from components.ui.text import linked


def sample_credit_line(name: str) -> str:
    """Return a sample's author and licence as Markdown with links; empty for other images."""
    credit = sample_credit(name)
    if credit is None:
        return ""
    author = linked(credit.author, credit.source)
    return f"Photo: {author} · {linked(credit.licence, credit.licence_url)}"
