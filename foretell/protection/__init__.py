"""Protection: what stands between browsers, which run anybody's pages, and the application."""

from foretell.protection.cors import allow_origins
from foretell.protection.exposure import warnings_of
from foretell.protection.headers import SecureHeaders
from foretell.protection.hosts import AllowedHosts

__all__ = ["AllowedHosts", "SecureHeaders", "allow_origins", "warnings_of"]
