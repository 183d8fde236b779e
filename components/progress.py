"""How long something takes, in words."""


def duration(seconds: float) -> str:
    """Return "4 s", "2 min 5 s", "1 h 3 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
