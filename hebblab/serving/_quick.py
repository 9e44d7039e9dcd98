"""Imported before Jupyter: spares the server two thirds of its start.

jsonschema, which Jupyter's events bring along, compiles a grammar of international addresses for
a check that nothing here uses. Without the module that holds the grammar it leaves the check out.
"""

import sys
from importlib import import_module
from typing import Any

_GRAMMAR = "rfc3987_syntax"

if "jsonschema" not in sys.modules and _GRAMMAR not in sys.modules:
    modules: dict[str, Any] = sys.modules
    modules[_GRAMMAR] = None
    try:
        import_module("jsonschema")
    finally:
        del modules[_GRAMMAR]
