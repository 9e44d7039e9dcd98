"""Recipes: everything that determines a run before its first step."""

from hebblab.errors import UnknownName
from hebblab.recipes.entries import BESIDE
from hebblab.recipes.overriding import EVERY_LAYER
from hebblab.recipes.recipe import SCHEDULES, SETTINGS, SPEED, Recipe
from hebblab.training import OF_THE_NETWORK, OPTIONS, LayerOptions

__all__ = [
    "BESIDE",
    "EVERY_LAYER",
    "OF_THE_NETWORK",
    "OPTIONS",
    "SCHEDULES",
    "SETTINGS",
    "SPEED",
    "LayerOptions",
    "Recipe",
    "UnknownName",
]
