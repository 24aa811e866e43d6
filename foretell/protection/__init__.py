"""Protection: what stands between browsers, which run anybody's pages, and the application."""

from foretell.protection.cors import allowing
from foretell.protection.exposure import warnings_of
from foretell.protection.front import Count, Front
from foretell.protection.headers import SecureHeaders
from foretell.protection.hosts import AllowedHosts

__all__ = ["AllowedHosts", "Count", "Front", "SecureHeaders", "allowing", "warnings_of"]
