"""The run on view and the one before it: what a choice makes, and who ends which."""

from dataclasses import dataclass

from hebblab import data, presets
from hebblab.data import Dataset, worlds
from hebblab.errors import unknown
from hebblab.live import Session
from hebblab.recipes import Recipe

from .choices import carried

_PLANE = (2,)
_SLOW = 10.0  # steps a second at which arrows can be followed


@dataclass(frozen=True)
class Kept:
    """A session, whether the Lab made it and so ends it, and the preset that it still is."""

    session: Session
    owned: bool
    preset: str

    def end(self) -> None:
        """Stop the session, if it is the Lab's own."""
        if self.owned:
            self.session.stop()


class Runs:
    """What the Lab shows now, and one predecessor, paused, under "back to …".

    Args:
        session: The first run.
        owned: Whether the Lab ends it.
    """

    def __init__(self, session: Session, owned: bool) -> None:
        self._now = Kept(session, owned, preset_of(session.recipe))
        self._before: Kept | None = None

    @property
    def session(self) -> Session:
        """The run on view."""
        return self._now.session

    @property
    def preset(self) -> str:
        """The preset that the run on view still is; empty where it was changed."""
        return self._now.preset

    @property
    def back_words(self) -> str:
        """What "back to …" leads to; empty where there is nothing."""
        if self._before is None:
            return ""
        old = self._before.session
        return f"{self._before.preset or old.recipe.network} · step {old.steps:,}"

    def choose(self, what: str, name: str) -> None:
        """Make a new run, ready, of a chosen preset, rule, data set or network.

        Raises:
            HebblabError: It cannot be had; the run on view stays.
        """
        session = self.session
        if what == "preset":
            recipe = presets.get(name)
            dataset = _at_hand(recipe.data, session)
            made = Session(recipe, dataset=dataset, endless=True, speed=recipe.speed)
        else:
            dataset = _at_hand(name if what == "data" else session.recipe.data, session)
            before = session.dataset.image_shape
            after = _PLANE if dataset is None else dataset.image_shape
            changes = carried(what, name, session.recipe, before, after)
            slow = after == _PLANE != before and (session.speed or _SLOW) >= _SLOW
            speed = _SLOW if slow else session.speed
            made = Session(session.recipe, dataset=dataset, **changes, speed=speed)
        self._show(Kept(made, True, preset_of(made.recipe)))

    def restart(self, seed: int | None = None) -> None:
        """Return to step 0, ready; of a run that was stopped a new one is made of its recipe.

        Args:
            seed: None keeps the seed.

        Raises:
            HebblabError: It cannot be had; the run on view stays.
        """
        session = self.session
        if session.state != "stopped":
            session.restart(seed)
            return
        recipe = session.recipe if seed is None else session.recipe.changed(seed=seed)
        dataset = _at_hand(recipe.data, session)
        made = Session(recipe, dataset=dataset, speed=session.speed)
        self._show(Kept(made, True, preset_of(made.recipe)))

    def back(self) -> bool:
        """Return to the predecessor; False where there is none."""
        if self._before is None:
            return False
        self._show(self._before)
        return True

    def close(self) -> None:
        """End the sessions that are the Lab's own."""
        self.session.watch(None)
        self._now.end()
        if self._before is not None:
            self._before.end()
        self._before = None

    def _show(self, wanted: Kept) -> None:
        old = self._now
        if old.session.state == "running":
            old.session.pause()
        old.session.watch(None)
        if self._before is not None and self._before is not wanted:
            self._before.end()
        self._before = None
        if old.session.steps > 0 and old.session.state in ("paused", "finished", "failed"):
            self._before = old
        else:
            old.end()
        self._now = wanted


def preset_of(recipe: Recipe) -> str:
    """Return the preset that a recipe still is, or an empty text where it was changed."""
    if recipe.name is None or recipe.name not in presets.available():
        return ""
    same = presets.get(recipe.name).changed(
        endless=recipe.endless, seed=recipe.seed, speed=recipe.speed, threads=recipe.threads
    )
    return recipe.name if same == recipe else ""


def _at_hand(name: str, session: Session) -> Dataset | None:
    """Return a data set by name, None for a world, which a session draws from its own seed.

    A page waits for no download, and names no path.

    Raises:
        UnknownName: It is no named set, and not the one in use.
        DataUnavailable: It is not here, with the command that gets it.
    """
    if name in worlds.available():
        return None
    if name == session.recipe.data:
        return session.dataset
    if name not in data.available():
        raise unknown("data set", name, data.available())
    return data.load(name, download=False)
