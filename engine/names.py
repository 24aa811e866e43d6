"""The forms of names, as patterns that their whole matches."""

ALIAS_NAME = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"
NAME = r"^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$"
SHA256 = r"^[0-9a-f]{64}$"
CURRENCY = r"^[A-Z]{3}$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$"


def is_title(name: str, most: int) -> bool:
    """Tells whether a project, a key or a job can be called so; the unprintable could steer a terminal."""
    return 1 <= len(name) <= most and name.isprintable()
