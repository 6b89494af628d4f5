"""plays_service: totals per song and date from a CSV of plays, of any size, over HTTP."""

__all__ = ["__version__"]

__version__ = "0.1.0"
