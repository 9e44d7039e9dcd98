"""The Probe screen on the page: the table, the confusion matrix, pictures and neighbours."""

from collections.abc import Mapping
from typing import ClassVar

from ..esm import css, esm
from ..parts import Check, Part, one_of, whole, words
from .measures import MEASURES, SHOWN


class EvaluationPart(Part):
    """The screen that takes the place of the three columns while it is open.

    View, every text ready to be shown (a key that is missing is empty)::

        {"open": bool,
         "about": str,                             # what is scored, fitted, and the interval
         "layers": [str, ...], "layer": str,       # a chooser where there are several
         "measures": {name: {"state": "none" | "done" | "waiting" | "running",
                             "share": float, "status": str, "left": str,
                             "mark": str, "stale": bool, "refusal": str}},
         "table": {"columns": [{"title", "help"}, ...],
                   "rows": [{"name", "title", "help", "measure", "cost",
                             "cells": [{"value", "range", "low", "high", "at"}, ...]}, ...],
                   "verdicts": [[str, str], ...]},
         "confusion": {"classes": [str, ...], "of": one of SHOWN, "choices": [option, ...],
                       "counts": [[int, ...], ...], "chosen": [row, column] or None,
                       "note": str} or None,
         "pictures": {"title": str, "note": str} or None,
         "query": {"image": int or None, "title": str, "note": str,
                   "rows": [{"title": str, "said": str,
                             "labels": [{"text": str, "same": bool}, ...]}, ...]} or None}

    A cell's "low", "high" and "at" are shares of its column's scale, on which all rows stand, so
    that intervals can be compared by eye; null where there is no number.

    Frames are pictures as of the weight images: `frame({"type": "pictures", **meta}, [bytes])` for
    those of the chosen cell, whose "units" are places among the validation images, and
    `frame({"type": "neighbours", **meta}, [bytes])` for the query and then each row's images.

    Events::

        {"do": "close"}                            {"do": "layer", "name": str}
        {"do": "measure", "name": one of MEASURES} {"do": "cancel", "name": one of MEASURES}
        {"do": "of", "name": one of SHOWN}         {"do": "cell", "row": int, "column": int}
        {"do": "query", "image": int}              {"do": "another", "wrong": "any" | "wrong"}

    It is opened from the chart of probe accuracy.
    """

    _esm = esm(
        "colours.js",
        "mosaic.js",
        "dom.js",
        "part.js",
        "picture.js",
        "keys.js",
        "worth.js",
        "confusion.js",
        "likeness.js",
        "evaluation.js",
    )
    _css = css("evaluation.css")
    name = "evaluation"
    events: ClassVar[Mapping[str, Mapping[str, Check]]] = {
        "close": {},
        "measure": {"name": one_of(*MEASURES)},
        "cancel": {"name": one_of(*MEASURES)},
        "layer": {"name": words},
        "of": {"name": one_of(*SHOWN)},
        "cell": {"row": whole, "column": whole},
        "query": {"image": whole},
        "another": {"wrong": one_of("any", "wrong")},
    }
