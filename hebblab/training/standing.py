"""What of a network stands still while a layer behind it learns."""

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def unread(model: nn.Module) -> frozenset[nn.Module]:
    """Return the batch norms that have no statistics yet."""
    return frozenset(
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm)
        and module.num_batches_tracked is not None
        and int(module.num_batches_tracked) == 0
    )


def set_modes(
    model: nn.Module,
    active: Collection[str],
    learners: Collection[str],
    fresh: Collection[nn.Module],
) -> None:
    """Put a model into training mode, but for what stands at or before a layer left alone.

    A layer that does not learn now and has no learning layer before it goes on giving what it
    gave: batch norms up to it keep their statistics, dropout is off. What normalises the inputs of
    a layer that learns goes on gathering statistics. A batch norm behind a learning layer gathers
    them too, whatever comes after, as the answers that it describes go on changing.

    Args:
        model: Its modules are in forward order.
        active: Names of the layers that learn now.
        learners: Names of all layers that have a rule.
        fresh: Batch norms that had no statistics when training began. Before a layer without a
            rule they gather some, as without any they would normalise nothing.
    """
    model.train()
    settled: list[nn.Module] = []
    passed: list[nn.Module] = []
    for name, module in model.named_modules():
        if name in active:
            break
        if not any(True for _ in module.children()):
            passed.append(module)
        if name in learners:
            settled = list(passed)
        elif isinstance(module, nn.Linear | nn.Conv2d):
            kept = set(settled)
            settled = [one for one in passed if one in kept or one not in fresh]
    for module in settled:
        module.eval()
