"""What of a rule's speed arrives in a session."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator

import torch

import hebblab as hl
from hebblab.data import Batches
from hebblab.nn import RePU

_SECONDS, _ROUNDS = 2.5, 3


def lines() -> Iterator[str]:
    """Yield a table of the step rate in a session by that of the bare rule."""
    yield "| rule, `dense-2000`, batch 100 | bare, steps/s | in a `Session` | goal |"
    yield "| --- | ---: | ---: | ---: |"
    for name in hl.rules.available():
        bare, ratio = rate(name)
        print(f"{name} in a session: {ratio:.2f}", file=sys.stderr, flush=True)
        yield f"| {name} | {bare:.0f} | {ratio:.2f} | ≥ 0.9 |"
    yield ""


def rate(name: str) -> tuple[float, float]:
    """Return steps a second of the rule at its layer alone, and the session's rate by it.

    Both take batches of the same digits, with the same options of the layer; by the clock, in
    turn, as what a session reads off its weights beside training is no training. It reads when a
    run starts and ends, and then at most a tenth of the time: turns are of seconds, as runs are.
    """
    with hl.Session("mnist-krotov", rule=name, network="dense-2000", endless=True) as session:
        session.step(3)
        learner = session.trainer.learners["hidden"]
        rule = hl.rules.create(name, **learner.rule.values())
        layer = torch.nn.Linear(784, 2000, bias=False)
        model = torch.nn.Sequential(torch.nn.Flatten())
        model.add_module("hidden", layer)
        model.add_module("activation", RePU())
        with torch.no_grad():
            layer.weight.copy_(session.weights().flatten(1))
        optimizer = hl.Local(model.named_parameters(), lr=learner.rate)
        trainer = hl.HebbianTrainer(
            model, rule, optimizer, None, initialize=False, options=learner.options
        )
        generator = torch.Generator().manual_seed(0)
        batches = Batches(session.dataset.train, session.recipe.batch_size, generator)

        def endless() -> Iterator[torch.Tensor]:
            while True:
                for images, _ in batches:
                    yield images

        source = endless()

        def bare(steps: int) -> None:
            for _ in range(steps):
                trainer.learn("hidden", next(source).flatten(1))

        def seconds(task: Callable[[int], object], steps: int) -> float:
            torch.set_num_threads(1)  # as the session's own thread has them
            torch.set_flush_denormal(True)
            started = time.perf_counter()
            task(steps)
            return time.perf_counter() - started

        bare(3)
        steps = max(5, round(5 * _SECONDS / seconds(bare, 5)))
        turns = [(seconds(bare, steps), seconds(session.step, steps)) for _ in range(_ROUNDS)]
    alone, lived = map(statistics.median, zip(*turns, strict=True))
    return steps / alone, alone / lived
