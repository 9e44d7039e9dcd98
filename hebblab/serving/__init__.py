"""The dashboard in a browser: a Voila server with a gate in front, and JupyterLab beside it."""

from hebblab.serving import _quick  # noqa: F401  # before anything of Jupyter
from hebblab.serving.app import serve
from hebblab.serving.lab import lab

__all__ = ["lab", "serve"]
