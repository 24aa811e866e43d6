"""The forms of names, as patterns that their whole matches."""

ALIAS_NAME = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"
NAME = r"^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$"
SHA256 = r"^[0-9a-f]{64}$"
CURRENCY = r"^[A-Z]{3}$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$"
