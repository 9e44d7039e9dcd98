"""A network as one line of modules, in the order in which a batch passes them."""

from collections.abc import Iterator

from torch import nn


def steps(network: nn.Sequential, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield every module of a Sequential, nested or not, under its full name.

    >>> block = nn.Sequential(nn.ReLU(), nn.Flatten())
    >>> [name for name, _ in steps(nn.Sequential(nn.Identity(), block))]
    ['0', '1.0', '1.1']
    """
    for name, module in network.named_children():
        if isinstance(module, nn.Sequential):
            yield from steps(module, f"{prefix}{name}.")
        else:
            yield prefix + name, module
