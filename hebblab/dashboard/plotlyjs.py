"""Where Plotly.js is: in the installed Plotly package, found without importing it."""

import functools
import gzip
import importlib.util
import re
from pathlib import Path

from ..errors import DataUnavailable

_ADVICE = "Install it again: python -m pip install --force-reinstall plotly"


def path() -> Path:
    """Return the path of the installed `plotly.min.js`.

    Importing Plotly costs a kernel seconds and 60 MB, so its folder is found by its import
    specification alone.

    Raises:
        DataUnavailable: Plotly is not installed, or not whole.

    Example:
        >>> path().name
        'plotly.min.js'
    """
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise DataUnavailable(f"Charts need the package plotly, which is not installed. {_ADVICE}")
    found = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    if not found.is_file():
        raise DataUnavailable(
            f"The plotly package in {found.parent} has no {found.name}. {_ADVICE}"
        )
    return found


@functools.cache
def version() -> str:
    """Return the version that Plotly.js states in its first lines, "4.1.1", for its address.

    Raises:
        DataUnavailable: As for `path`.
    """
    with path().open("rb") as file:
        head = file.read(400).decode("utf-8", "replace")
    found = re.search(r"plotly\.js v(\d[\w.\-]*)", head)
    return found[1] if found else str(path().stat().st_size)


@functools.cache
def packed() -> bytes:
    """Return `plotly.min.js` gzipped (about 1.5 MB): packed once a process, always the same bytes.

    Raises:
        DataUnavailable: As for `path`.
    """
    return gzip.compress(path().read_bytes(), compresslevel=6, mtime=0)
