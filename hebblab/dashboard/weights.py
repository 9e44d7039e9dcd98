"""The middle column: the weight images, or arrows in the plane, and the chosen unit."""

from collections.abc import Mapping
from typing import ClassVar

from .esm import esm
from .gallery import MODES, ORDERS, SCALES
from .parts import Check, Part, one_of, whole, whole_or_none


class Weights(Part):
    """A canvas fed with raw bytes, one frame in flight, and the card of the chosen unit.

    View (a key that is missing is empty)::

        {"title": str,                              # "" for "What the units have learned"
         "sentence": str,                           # the sentence over the images, or ""
         "expect": str,                             # what will be seen, where no unit is chosen
         "scale": one of SCALES, "order": one of ORDERS, "mode": one of MODES,
         "change": bool,                            # whether there is a change to show (ΔW)
         "deep": bool,                              # whether all of MODES can be shown
         "doing": str,                              # what is being computed, or why it cannot be
         "page": int, "pages": int,                 # from 0
         "chosen": int or None,                     # number of the chosen unit
         "unit": {"number": int, "rows": [[label, value], ...]} or None}

    The card sets its rows in two columns of three, the unit's number first: wins, nearest unit,
    norm, share active, answers to.

    A frame is `frame({"type": "frame", "id": int, "run": any, "edit": int, **picture.meta},
    [picture.data, picture.close])`, with a `Picture` from `gallery.Gallery.paint`, or, where
    inputs have two numbers, from `plane.Plane.paint`. `run` names the run and `edit` counts its
    gestures: when `edit` changes, the frame before is kept for the blink. The page answers each
    frame, also one that it cannot read, with its `id`: after painting it, or, where nobody sees
    the page, without painting and at most once a second. After a hello a whole frame is due,
    whatever was in flight.

    Events::

        {"do": "hello", "hidden": bool}             {"do": "painted", "id": int}
        {"do": "scale", "value": one of SCALES}     {"do": "order", "value": one of ORDERS}
        {"do": "mode", "value": one of MODES}       {"do": "page", "value": int}
        {"do": "choose", "unit": int or None}
    """

    _esm = esm(
        "colours.js",
        "mosaic.js",
        "plane.js",
        "arrows.js",
        "dom.js",
        "part.js",
        "keys.js",
        "picture.js",
        "unit.js",
        "weights.js",
    )
    name = "weights"
    events: ClassVar[Mapping[str, Mapping[str, Check]]] = {
        "painted": {"id": whole},
        "scale": {"value": one_of(*SCALES)},
        "order": {"value": one_of(*ORDERS)},
        "mode": {"value": one_of(*MODES)},
        "page": {"value": whole},
        "choose": {"unit": whole_or_none},
    }
