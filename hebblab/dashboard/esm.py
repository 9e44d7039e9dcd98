"""The browser's modules and styles, joined into the one string that a widget carries."""

import re
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r"^import\b[^;]*?from\s*\"\./([\w.-]+)\";[ \t]*\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default\b)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default\b", re.MULTILINE)


@cache
def read(name: str) -> str:
    """Return the text of one file of `static/`.

    Raises:
        FileNotFoundError: There is no such file.
    """
    return (STATIC / name).read_text("utf-8")


def esm(*names: str) -> str:
    """Join modules of `static/`, in this order, into one module.

    A widget's module is loaded from a Blob, where a relative import cannot be resolved. So each
    import must name a module that stands earlier in `names`; then all share one scope, and the
    `import` lines and `export` words can go. Only the last may have an `export default`.

    Args:
        names: File names, those that others import first.

    Raises:
        ValueError: A module imports one that does not stand before it, or is not the last and
            has a default export.

    >>> "export default" in esm("numbers.js")
    False
    """
    texts = []
    for position, name in enumerate(names):
        text = read(name)
        for needed in _IMPORT.findall(text):
            if needed not in names[:position]:
                raise ValueError(f"{name} imports {needed}, which must be named before it.")
        if _DEFAULT.search(text) and position < len(names) - 1:
            raise ValueError(f"{name} has a default export: it must be named last.")
        texts.append(_EXPORT.sub("", _IMPORT.sub("", text)))
    return "\n".join(texts)


def css(*names: str) -> str:
    """Join style sheets of `static/`, in this order.

    >>> ".hebblab-lab" in css("lab.css")
    True
    """
    return "\n".join(read(name) for name in names)
