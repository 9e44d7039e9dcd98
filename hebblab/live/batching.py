"""The batch size: what a run can have, before it begins and while it goes on."""

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from hebblab.errors import InvalidValue
from hebblab.knobs import Knob
from hebblab.nn import LayerView
from hebblab.recipes import SETTINGS

_MOST_RESPONSES = 2**31  # bytes of one batch's responses and their scratch

_SLIDER = 1000  # images; more are typed
BATCH_SIZE = SETTINGS["batch_size"]


def batch_knob(images: int) -> Knob:
    """Return the knob of the batch size as so many training images bound it.

    >>> batch_knob(48).high, batch_knob(48).default
    (48, 48)
    """
    high = min(BATCH_SIZE.high or images, images)
    default, end = min(int(BATCH_SIZE.default), images), min(_SLIDER, high)
    return replace(BATCH_SIZE, symbol="batch", default=default, high=high, slider_high=end)


def refuse_too_large(batch_size: int, views: Mapping[str, LayerView]) -> None:
    """Refuse a batch whose responses memory should not hold.

    Raises:
        InvalidValue: With what it would need.
    """
    for name, view in views.items():
        needed = 12 * batch_size * view.units
        if isinstance(view.module, nn.Linear) and needed > _MOST_RESPONSES:
            raise InvalidValue(
                f"A batch of {batch_size:,} images needs {needed / 2**30:.1f} GiB for the "
                f"responses of the {view.units:,} units of layer {name!r}; 2 GiB are the most. "
                "Lower batch_size."
            )
