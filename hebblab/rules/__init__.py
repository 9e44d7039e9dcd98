"""The learning rules: local, unsupervised, exact."""

from hebblab.rules.competition import winners
from hebblab.rules.competitive import HardWTA, SoftWTA
from hebblab.rules.hebbian import Hebb, Instar, Oja
from hebblab.rules.krotov import KrotovHopfield, KrotovsRule
from hebblab.rules.registry import available, create, get, register, unregister
from hebblab.rules.rule import Rows, Rule

__all__ = [
    "HardWTA",
    "Hebb",
    "Instar",
    "KrotovHopfield",
    "KrotovsRule",
    "Oja",
    "Rows",
    "Rule",
    "SoftWTA",
    "available",
    "create",
    "get",
    "register",
    "unregister",
    "winners",
]
