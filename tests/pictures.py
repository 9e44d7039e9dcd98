"""`python -m tests.pictures [NAME ...]`: run rules, and paint the pictures of their cards."""

import argparse
import sys
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import hebblab as hl
from hebblab.rules.cards import PICTURES

COLUMNS, ROWS, GAP = 6, 4, 2
LARGEST = 8_000  # bytes
_LEVELS = 7  # of ink to either side of paper
# As the dashboard paints: blue below zero, paper at zero, warm ink above.
_INKS = {
    -1.0: "133a66", -0.75: "26558b", -0.5: "4f86b8", -0.25: "a6c6de", 0.0: "f8f8f5",
    0.25: "f1c6a6", 0.5: "d87a42", 0.75: "a8461a", 1.0: "6a220a",
}  # fmt: skip
_CENTRED = {"centre": True, "learning_rate": 0.05, "decay": "linear", "decay_floor": 0.0}

# What a run sets beside the rule's own start, and how many steps it takes.
RUNS: dict[str, tuple[dict[str, Any], int]] = {
    "krotov-hopfield": ({}, 420),
    "hebb": ({}, 420),
    "instar": ({}, 420),
    "oja": ({"centre": True, "learning_rate": 0.02}, 800),
    "oja-subspace": ({**_CENTRED, "network": "dense-24"}, 800),
    "sanger": (_CENTRED, 800),
    "hpca": (_CENTRED, 800),
    "hard-wta": ({}, 420),
    "soft-wta": ({}, 420),
    "proportional-wta": ({}, 420),
    "softhebb": ({}, 420),
    "soft-krotov": ({}, 420),
    "hebbian-anti-hebbian": ({**_CENTRED, "network": "dense-24"}, 800),
    "som": ({"network": "dense-24", "rows": ROWS, "radius": 2.0}, 420),
}


def learned(name: str) -> tuple[np.ndarray, str]:
    """Return the weight images (units, 28, 28) that a run of a rule leaves, and their caption."""
    settings, steps = RUNS[name]
    recipe = hl.presets.get("mnist-krotov")
    if name != "krotov-hopfield":
        recipe = recipe.overridden(rule=name)
    with hl.Session(recipe, **settings, seed=1, steps=steps, speed=None) as run:
        run.step(steps)
        units, recipe = run.frame().weights, run.recipe
        rate = recipe.rate(run.layers[0])
    count, shown = len(units), COLUMNS * ROWS
    which = f"all {count}" if count == shown else f"the first {shown} of {count}"
    kind = "centred digits" if recipe.centre else "digits"
    fall = f" falling to {recipe.decay_floor * rate:.2g}" if recipe.decay == "linear" else ""
    caption = (
        f"What {which} units learned in {steps} steps of {recipe.batch_size} {kind}, at rate "
        f"{rate:g}{fall}; warm ink above zero, blue below."
    )
    return units[:shown].reshape(-1, 28, 28).numpy(), caption


def painted(images: np.ndarray, caption: str) -> bytes:
    """Return weight images as ink on paper, a PNG of few colours that holds its caption."""
    bound = np.quantile(np.abs(images), 0.99)
    levels = np.rint(np.clip(images / bound, -1, 1) * _LEVELS).astype(int) + _LEVELS
    side = images.shape[1] + GAP
    sheet = np.full((ROWS * side - GAP, COLUMNS * side - GAP), 2 * _LEVELS + 1, np.uint8)
    for place, image in enumerate(levels):
        down, across = divmod(place, COLUMNS)
        cell = np.s_[down * side : down * side + 28, across * side : across * side + 28]
        sheet[cell] = image
    made = Image.fromarray(sheet).convert("P")
    made.putpalette([*np.rint(_palette()).astype(int).ravel().tolist(), 255, 255, 255])
    told = PngInfo()
    told.add_itxt("Description", caption)
    stream = BytesIO()
    made.save(stream, "PNG", optimize=True, bits=4, pnginfo=told)
    return stream.getvalue()


def _palette() -> np.ndarray:
    """Return the colours of the levels, (levels, 3)."""
    known = np.array([[int(ink[at : at + 2], 16) for at in (0, 2, 4)] for ink in _INKS.values()])
    wanted = np.linspace(-1, 1, 2 * _LEVELS + 1)
    return np.stack([np.interp(wanted, list(_INKS), one) for one in known.T], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *RUNS])
    for name in parser.parse_args().names or RUNS:
        content = painted(*learned(name))
        if len(content) > LARGEST:
            sys.exit(f"The picture of {name} has {len(content):,} bytes, over {LARGEST:,}.")
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / f"{name}.png").write_bytes(content)
        print(f"{name}: {len(content):,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
