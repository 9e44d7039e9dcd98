"""The one declaration of a hyperparameter, projected wherever a person may turn it."""

from hebblab.knobs.declaration import Knob, Scale, Value
from hebblab.knobs.fields import Knobbed, knob, words

__all__ = ["Knob", "Knobbed", "Scale", "Value", "knob", "words"]
