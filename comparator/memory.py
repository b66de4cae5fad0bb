"""Whether a model fits into the memory of a machine's GPUs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

from comparator.assumption import optional
from comparator.comparison import Quantity
from pricebook.config import Table

MemoryOf: TypeAlias = Callable[[str], Decimal | None]
"""GB (10^9 bytes) of all GPUs of an instance type; None when it isn't known."""


def _unknown(instance: str) -> None:
    return None


def check_memory(
    table: Table, instance: str, machines: Quantity, memory_of: MemoryOf = _unknown
) -> None:
    """Refuse a model that takes more GPU memory than all `machines` of a copy or a run have.

    From `model_memory_gb`, or `parameters` (10^9) x `bytes_per_parameter`: what the weights take,
    to which a cache or an optimiser comes. Unchecked when neither is given.
    """
    own, needed = optional(table, "gpu_memory_gb"), _needed(table)
    if needed is None:
        return
    memory = own.value.point if own else memory_of(instance)
    if memory is None:
        raise table.error("gpu_memory_gb", f"is missing: no GPU memory is known of {instance}")
    has = memory * machines.value.point
    if needed > has:
        count = f"{machines.value.point} x {instance}" if machines.value.point > 1 else instance
        raise table.error(
            "instance",
            f"{count} has {has:.0f} GB of GPU memory; {needed:.0f} GB of model don't fit",
        )


def _needed(table: Table) -> Decimal | None:
    memory, parameters = optional(table, "model_memory_gb"), optional(table, "parameters")
    size = optional(table, "bytes_per_parameter")
    if memory and (parameters or size):
        raise table.error("model_memory_gb", "contradicts parameters; give one of them")
    if bool(parameters) != bool(size):
        raise table.error("parameters", "and bytes_per_parameter go together; one is missing")
    if parameters and size:
        return parameters.value.point * size.value.point
    return memory.value.point if memory else None
