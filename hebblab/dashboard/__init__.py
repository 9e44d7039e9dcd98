"""The dashboard: a Lab in a notebook cell or a served page."""

from .lab import Lab

__all__ = ["Lab"]
