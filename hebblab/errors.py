"""Errors that help: what was wrong, what would be right, the nearest valid name, the next step."""

from collections.abc import Iterable
from difflib import get_close_matches

_TOLD = 3  # names; a longer list helps nobody


class HebblabError(Exception):
    """Anything hebblab refuses or fails at, said in words for a person."""


class UnknownName(HebblabError, LookupError):
    """A name that nothing answers to."""


class InvalidValue(HebblabError, ValueError):
    """A value outside what its knob accepts."""


class WrongState(HebblabError, RuntimeError):
    """A call that the present state does not allow."""


class DataUnavailable(HebblabError, OSError):
    """A data set that is missing, damaged or out of reach."""


class Diverged(HebblabError, ArithmeticError):
    """Weights that would leave the finite numbers; the last finite ones are kept."""


class NotFinite(InvalidValue, Diverged):
    """Inputs or weights that hold NaN or infinite values: nothing can be learnt from them."""


def shown(value: object, limit: int = 60) -> str:
    """Return a short, safe rendering of any value for an error text.

    >>> shown("a" * 1000)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaa…' (1,000 characters)"
    """
    if isinstance(value, str) and len(value) > limit:
        return f"{value[: limit // 2 - 2]!r}".removesuffix("'") + f"…' ({len(value):,} characters)"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return f"an integer of {value.bit_length():,} bits"
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def unknown(kind: str, name: object, known: Iterable[str], advice: str = "") -> UnknownName:
    """Return the error for a name that is not one of `known`, naming the nearest.

    >>> print(unknown("rule", "ojo", ["hebb", "oja"]))
    There is no rule 'ojo'. Did you mean 'oja'? Known: hebb, oja.
    """
    names = sorted(known)
    near = _nearest(name, names)
    guess = f" Did you mean {near!r}?" if near else ""
    listed = f" Known: {', '.join(names)}." if names else ""
    return UnknownName(
        f"There is no {kind} {shown(name)}.{guess}{listed}{' ' + advice if advice else ''}"
    )


def lacking(
    owner: str, kind: str, wrong: Iterable[object], known: Iterable[str], advice: str = ""
) -> UnknownName:
    """Return the error for names that their owner does not have, with the nearest to each.

    >>> print(lacking("'oja'", "knob", ["delat"], ["delta", "k"]))
    'oja' has no knob 'delat'. Did you mean 'delta'? Known: delta, k.
    >>> print(lacking("layer 'fc'", "knob", ["delat", "kk"], ["delta", "k"]))
    Layer 'fc' has no knob 'delat' and no knob 'kk'. Did you mean 'delta' and 'k'? Known: delta, k.
    """
    names, some = sorted(known), list(wrong)
    near = [repr(one) for one in (_nearest(name, names) for name in some) if one]
    guess = f" Did you mean {' and '.join(dict.fromkeys(near))}?" if near else ""
    told = " and ".join(f"no {kind} {shown(name)}" for name in some[:_TOLD])
    rest = f" and {len(some) - _TOLD:,} more" if len(some) > _TOLD else ""
    listed = f" Known: {', '.join(names)}." if names else ""
    said = f"{owner[:1].upper()}{owner[1:]} has {told}{rest}.{guess}{listed}"
    return UnknownName(f"{said} {advice}".rstrip())


def _nearest(name: object, names: list[str]) -> str | None:
    """Return the name that was most likely meant, if one looks like it."""
    if not isinstance(name, str):
        return None
    # The beginning of a name is more likely meant than one that looks alike.
    begun = [one for one in names if len(name) > 2 and one.startswith(name)]
    return next(iter(begun or get_close_matches(name[:80], names, n=1, cutoff=0.5)), None)
