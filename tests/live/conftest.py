"""Small runs that take milliseconds, a rule that does what a test wants, and no thread left."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from torch import nn

from hebblab import Recipe, Session, knob, networks
from hebblab.data import Dataset, Images
from hebblab.nn import InputNorm, PatchConv2d, RePU, Whitening
from hebblab.rules import Rule, register, unregister

LIMIT = 20.0  # seconds; nothing here comes near, whatever else the machine does


class Hooked(Rule):
    """Moves weights towards the mean input, and tells the test at which step it is."""

    name = "hooked"
    gain: float = knob(0.5, symbol="g", low=0, high=1e6, help="How far.")
    still: float = knob(0.5, low=0, high=1, live=False, help="Cannot change while a run goes on.")

    step: ClassVar[int] = 0
    hook: ClassVar[Callable[[int], None]] = staticmethod(lambda _step: None)

    def update(self, inputs, weights):
        Hooked.step += 1
        Hooked.hook(Hooked.step)
        return self.gain * (inputs.mean(0) - weights)


class Gate:
    """Holds a run inside a step until the test opens it."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, step: int) -> None:
        if step == self.at:
            self.reached.set()
            assert self.open.wait(LIMIT)


def _tiny(image_shape, classes):
    fan_in = torch.Size(image_shape).numel()
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            hidden=nn.Linear(fan_in, 8, bias=False),
            activation=RePU(),
            readout=nn.Linear(8, classes),
        )
    )


def _two(image_shape, classes):
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            first=nn.Linear(torch.Size(image_shape).numel(), 8, bias=False),
            one=RePU(),
            block=nn.Sequential(OrderedDict(second=nn.Linear(8, 5, bias=False), two=RePU())),
            readout=nn.Linear(5, classes),
        )
    )


def _conv(image_shape, classes):
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(image_shape[0], 4, 3, bias=False),
            norm=nn.BatchNorm2d(4),
            activation=RePU(),
            pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            readout=nn.Linear(4 * 4, classes),
        )
    )


def _around(image_shape, classes):
    """A dense layer and all that its options can set."""
    fan_in = torch.Size(image_shape).numel()
    return nn.Sequential(
        OrderedDict(
            whiten=Whitening(),
            flatten=nn.Flatten(),
            prepare=InputNorm(),
            hidden=nn.Linear(fan_in, 8, bias=False),
            activation=RePU(),
            readout=nn.Linear(8, classes),
        )
    )


def _patches(image_shape, classes):
    return nn.Sequential(
        OrderedDict(
            whiten=Whitening(),
            prepare=InputNorm(),
            conv=PatchConv2d(image_shape[0], 4, 3, bias=False),
            activation=RePU(),
            flatten=nn.Flatten(),
            readout=nn.Linear(4 * 16, classes),
        )
    )


def spots(count: int, seed: int) -> Images:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    pixels = torch.randint(0, 120, (count, 1, 6, 6), dtype=torch.uint8, generator=generator)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[0, 2 * label : 2 * label + 2] += 120
    return Images(pixels, labels)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return Dataset("spots", spots(48, 1), spots(30, 2), spots(30, 3), ("a", "b", "c"))


@pytest.fixture(autouse=True)
def _networks():
    builders = {"tiny": _tiny, "two": _two, "small-conv": _conv}
    builders |= {"around": _around, "patchy": _patches}
    for name, builder in builders.items():
        networks.register(name, builder)
    yield
    for name in builders:
        networks.unregister(name)


@pytest.fixture
def hooked():
    Hooked.step = 0
    Hooked.hook = staticmethod(lambda _step: None)
    register(Hooked)
    yield Hooked
    unregister("hooked")
    Hooked.hook = staticmethod(lambda _step: None)


@pytest.fixture
def live() -> SimpleNamespace:
    """What tests of sessions say in one word."""
    return SimpleNamespace(
        Gate=Gate,
        LIMIT=LIMIT,
        digest=digest,
        ended=ended,
        finish=finish,
        notice=notice,
        notice_weakly=notice_weakly,
        replay=replay,
        threads=threads,
    )


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    def build(**changes) -> Recipe:
        rule = changes.pop("rule", "krotov-hopfield")
        settings = {"network": "tiny", "batch_size": 4, "steps": 40, "seed": 7, **changes}
        return Recipe(rules={"*": rule if isinstance(rule, dict) else {"rule": rule}}, **settings)

    return build


@pytest.fixture
def make(dataset, recipe):
    """Sessions of the small data set, stopped when the test is over."""
    made: list[Session] = []

    def build(**changes) -> Session:
        given = changes.pop("dataset", dataset)
        session = Session(recipe(**changes), dataset=given)
        made.append(session)
        return session

    yield build
    for session in made:
        session.stop()


@pytest.fixture(autouse=True)
def _no_thread_left(request):
    yield
    assert ended(), f"threads left: {threads()}"


def threads(kind: str = "") -> list[threading.Thread]:
    """Return the living threads of sessions."""
    return [one for one in threading.enumerate() if one.name.startswith(f"hebblab-{kind}")]


def ended(limit: float = LIMIT) -> bool:
    """Wait for the end of every thread of a session."""
    for one in threads():
        one.join(limit)
    return not threads()


def digest(session: Session) -> str:
    """Return one value for every bit of the network."""
    found = hashlib.sha256()
    for name, tensor in session.model().state_dict().items():
        found.update(name.encode() + tensor.numpy().tobytes())
    return found.hexdigest()


def finish(session: Session) -> Session:
    """Run to the end."""
    session.start()
    assert session.wait(LIMIT)
    return session


def notice(session: Session, step: int) -> threading.Event:
    """Return an event that is set once a step is taken."""
    from ignite.engine import Events

    event = threading.Event()

    def look() -> None:
        if session.steps >= step:
            event.set()

    session.trainer.add_event_handler(Events.ITERATION_COMPLETED, look)
    return event


def notice_weakly(session: Session) -> threading.Event:
    """Return an event that is set at the first step, by a handler that knows no session."""
    from ignite.engine import Events

    event = threading.Event()
    session.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: event.set())
    return event


def replay(session: Session, dataset: Dataset, steps: int | None = None) -> Session:
    """Return a session that took the same recipe and edits, driven step by step."""
    again = Session(session.recipe, dataset=dataset)
    steps = session.steps if steps is None else steps
    for edit in session.edits:
        if edit.applied_at > steps:
            break
        if edit.applied_at > again.steps:
            again.step(edit.applied_at - again.steps)
        again.edit({name: new for name, (_, new) in edit.changes.items()}, layer=edit.layer)
    if steps > again.steps:
        again.step(steps - again.steps)
    return again
