"""A folder of the server's own, so that Jupyter reads and leaves nothing in the person's."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

import hebblab

TEMPLATES = Path(__file__).parent / "template"
_FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
}
_FORGOTTEN = ("JUPYTER_CONFIG_PATH", "JUPYTER_NO_CONFIG", "JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE")


def notebooks_folder() -> Path:
    """Return the folder of the notebooks: in the wheel, or beside the package in a checkout."""
    package = Path(hebblab.__file__).resolve().parent
    shipped = package / "notebooks"
    return shipped if shipped.is_dir() else package.parent / "notebooks"


def copy_notebook(source: Path, target: Path, kernel_name: str) -> None:
    """Copy a notebook, as one of a kernel's and under our own title."""
    notebook = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]
    notebook.metadata["title"] = "hebblab"
    notebook.metadata["kernelspec"] = {
        "name": kernel_name,
        "display_name": "hebblab",
        "language": "python",
    }
    nbformat.write(notebook, target)  # type: ignore[no-untyped-call]


def jupyter_environment(folder: Path) -> dict[str, str]:
    """Return the variables under which Jupyter finds our templates and nobody's configuration."""
    return {
        **{name: str(folder / part) for name, part in _FOLDERS.items()},
        "JUPYTER_PATH": str(TEMPLATES),
    }


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """Yield an empty folder that only this account can read, and remove it in the end."""
    with tempfile.TemporaryDirectory(prefix="hebblab-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for part in (*_FOLDERS.values(), "ipython", "k", "notebook", "templates"):
            (folder / part).mkdir()
        yield folder


@contextlib.contextmanager
def jupyter_isolated(folder: Path) -> Iterator[None]:
    """Let Jupyter, within this process, see `folder` in place of the person's settings."""
    before = dict(os.environ)
    for name in _FORGOTTEN:
        os.environ.pop(name, None)
    os.environ.update(jupyter_environment(folder))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
