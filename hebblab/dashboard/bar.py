"""The top of the Lab: what runs, the transport, the status line, errors, the link."""

from collections.abc import Mapping
from typing import ClassVar

from .esm import css, esm
from .parts import Check, Part, flag, one_of, words

CHOICES = ("preset", "rule", "data", "network")
BUTTONS = ("start", "pause", "step", "restart", "new-seed", "stop", "probe")
SAVES = ("history", "weights")
SHEETS = ("lab.css", "parts.css", "bar.css", "controls.css", "weights.css", "dialog.css")


class Bar(Part):
    """Transport and status; it also carries the Lab's style sheet and watches over the link.

    View, every text ready to be shown (a key that is missing is empty)::

        {"choices": {"preset": {"value": str, "options": [option, ...], "disabled": bool},
                     "rule": ..., "data": ..., "network": ...},
         "can": {"start": bool, "pause": ..., "step": ..., "restart": ..., "new-seed": ...,
                 "stop": ..., "probe": bool},       # what cannot be pressed is disabled
         "state": "running",                        # the session's own word
         "steps": 560, "of": "of 4,200",            # a plain integer; of how many, or ""
         "epoch": "18.7", "rate": "60",             # rate: the steps a second, without a unit
         "left": "runs until you stop it",
         "speed": {"value": str, "options": [option, ...]},
         "frames": "10", "seed": "1",               # frames a second, without a unit
         "notice": str,                             # a sentence in the status line, or ""
         "idle": bool,                              # the next key or click is reported at once
         "guard": bool,                             # the page asks before it is left
         "back": "mnist-krotov · step 560",          # what "back to ..." leads to, or ""
         "error": {"sentence": str, "advice": str, "traceback": str,
                   "said": str} or None}            # which answer it is: another, shown anew

    An option is a text, or `{"value": str, "label": str, "title": str}`.

    Events::

        {"do": "hello", "hidden": bool}             {"do": "visibility", "hidden": bool}
        {"do": "beat"}                              answer to frame({"type": "beat"}), at once
        {"do": "press", "button": one of BUTTONS}   {"do": "choose", "what": CHOICES, "name": str}
        {"do": "speed", "value": str}               {"do": "save", "what": "history" | "weights"}
        {"do": "back"}                              {"do": "projector", "on": bool}
        {"do": "touch"}                             a hand is there: at most once in 20 s, or idle

    Frames: `frame({"type": "beat"})` every two seconds; without any message for 4.3 s the page
    says that the connection is lost. `frame({"type": "file", "name": ..., "mime": ...}, [bytes])`
    makes the browser save a file.
    """

    _esm = esm(
        "dom.js",
        "part.js",
        "keys.js",
        "link.js",
        "dialog.js",
        "transport.js",
        "status.js",
        "bar.js",
    )
    _css = css(*SHEETS)
    name = "bar"
    events: ClassVar[Mapping[str, Mapping[str, Check]]] = {
        "visibility": {"hidden": flag},
        "beat": {},
        "press": {"button": one_of(*BUTTONS)},
        "choose": {"what": one_of(*CHOICES), "name": words},
        "speed": {"value": words},
        "save": {"what": one_of(*SAVES)},
        "back": {},
        "projector": {"on": flag},
        "touch": {},
    }
