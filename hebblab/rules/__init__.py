"""The learning rules: local, unsupervised, exact."""

from hebblab.rules.anti_hebbian import HebbianAntiHebbian
from hebblab.rules.cards import Card, card
from hebblab.rules.checks import check
from hebblab.rules.competition import winners
from hebblab.rules.competitive import HardWTA, ProportionalWTA, SoftWTA
from hebblab.rules.hebbian import Hebb, Instar, Oja
from hebblab.rules.krotov import KrotovHopfield, KrotovsRule
from hebblab.rules.registry import available, create, get, register, unregister
from hebblab.rules.rule import Rows, Rule
from hebblab.rules.softhebb import SoftHebb, SoftKrotov
from hebblab.rules.som import SOM, Sheet
from hebblab.rules.subspace import HPCA, OjaSubspace, Sanger
from hebblab.rules.surrogate import Surrogate, surrogate

__all__ = [
    "HPCA",
    "SOM",
    "Card",
    "HardWTA",
    "Hebb",
    "HebbianAntiHebbian",
    "Instar",
    "KrotovHopfield",
    "KrotovsRule",
    "Oja",
    "OjaSubspace",
    "ProportionalWTA",
    "Rows",
    "Rule",
    "Sanger",
    "Sheet",
    "SoftHebb",
    "SoftKrotov",
    "SoftWTA",
    "Surrogate",
    "available",
    "card",
    "check",
    "create",
    "get",
    "register",
    "surrogate",
    "unregister",
    "winners",
]
