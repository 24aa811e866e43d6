"""The served application: the only folder that knows all the others."""

from importlib.metadata import version

__version__ = version("foretell")
