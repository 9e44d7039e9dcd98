"""Stratified splits by a fixed seed, the same for everybody."""

import torch
from torch import Tensor

from hebblab.errors import InvalidValue

SPLIT_SEED = 20190326
SHARES = (0.2, 0.2)


def stratified(labels: Tensor, shares: tuple[float, ...] = SHARES) -> list[Tensor]:
    """Return rows of disjoint parts, each with every class in proportion and in mixed order.

    Args:
        labels: int64, (N,).
        shares: The parts' sizes as shares of each class, rounded.

    Returns:
        What is left over, then one part for each share; each int64, (n,).

    Raises:
        InvalidValue: If a part would be empty.

    >>> rest, fifth = stratified(torch.arange(2).repeat(10), (0.2,))
    >>> len(rest), len(fifth)
    (16, 4)
    """
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    order = torch.randperm(len(labels), generator=generator)
    ordered = labels[order]
    part = torch.zeros(len(labels), dtype=torch.int64)
    for label in sorted(set(ordered.tolist())):
        members = torch.nonzero(ordered == label).flatten()
        start = 0
        for number, share in enumerate(shares, start=1):
            end = start + round(share * len(members))
            part[members[start:end]] = number
            start = end
    parts = [order[part == number] for number in range(len(shares) + 1)]
    # Once more: a class whose shares were filled early would stand in front of what is left over.
    parts = [rows[torch.randperm(len(rows), generator=generator)] for rows in parts]
    if not all(len(rows) for rows in parts):
        raise InvalidValue(
            f"There are too few images to be split into training, validation and test "
            f"({len(labels):,}): at least five of a class are needed."
        )
    return parts
