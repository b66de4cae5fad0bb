"""Whether a model fits into the memory of a machine's GPUs, and whether the machine has those."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from comparator.assumption import optional
from comparator.catalogue import GpuFacts, load
from comparator.comparison import Quantity
from comparator.way import Unknown
from pricebook.config import Table

_BYTES_PER_MIB = 2**20


def check_memory(table: Table, instance: str, machines: Quantity) -> None:
    """Refuse a model that takes more GPU memory than the `machines` that share it have.

    From `model_memory_gb`, or `parameters` (10^9) x `bytes_per_parameter`: what its weights take;
    a cache or an optimiser comes on top. Unchecked when neither is given.
    """
    own, needed = optional(table, "gpu_memory_gb"), _needed(table)
    if needed is None:
        return
    memory = own.value.point if own else _memory_gb(instance)
    if memory is None:
        raise table.error("gpu_memory_gb", f"is missing: no GPU memory is known of {instance}")
    count = machines.value.point
    if needed > memory * count:
        has = f"{count:f} x {instance} have" if count > 1 else f"{instance} has"
        what = f"{has} {memory * count:.0f} GB of GPU memory; the model takes {needed:f} GB"
        raise table.error("instance", f"can't hold the model: {what}")


def check_gpus(table: Table, instance: str, gpus: Quantity) -> None:
    """Refuse another number of GPUs than the instance type is known to have."""
    facts = _facts(instance)
    if facts and facts.gpus != gpus.value.point:
        what = f"{instance} has {facts.gpus:f} {facts.gpu}"
        raise table.error("gpus", f"is {gpus.value.point:f}, but {what}")


def _memory_gb(instance: str) -> Decimal | None:
    facts = _facts(instance)
    if facts is None:
        return None
    # A type with a part of a GPU has one device, and its memory is that of the part.
    devices = facts.gpus.to_integral_value(ROUND_CEILING)
    return devices * facts.gpu_memory_mib * _BYTES_PER_MIB / 10**9


def _facts(instance: str) -> GpuFacts | None:
    try:
        return load().instance(instance)
    except Unknown:
        return None


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
