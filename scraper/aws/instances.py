"""What is in an EC2 machine: vCPUs, memory and accelerators, by DescribeInstanceTypes.

Where AWS's own answer is known to be wrong, it is corrected, and the facts say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pricebook.errors import DocumentRefused
from scraper.aws.client import Client, ec2_client, in_plain_words
from scraper.aws.settings import AwsSettings

_UNNAMED = {"p5e": "H200", "p5en": "H200"}
"""GPU model of families whose name AWS gives as "NVIDIA" (skypilot-org/skypilot#8465)."""

_FULL_MEMORY_MIB = {"L4": (22_888, 24_576), "A10G": (22_888, 24_576), "L40S": (45_776, 49_152)}
"""GPU model -> (what AWS says of a whole one, what is on the card).

AWS turns the data sheets' 24 and 48 GB into MiB as if they were 10^9 bytes; memory chips come in
powers of two, and AWS itself counts so for A100, H100 and T4.
"""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """The accelerators of one kind in a machine.

    `kind`: gpu, neuron (Trainium, Inferentia) or inference (others). `count` is in whole ones: a
    machine with an eighth of an L4 has 0.125. `devices` are what its operating system sees, each
    with `memory_mib` (None: AWS doesn't say). `model` None: AWS names the maker only.
    """

    kind: str
    maker: str
    model: str | None
    count: Decimal
    devices: int
    memory_mib: int | None

    def as_dict(self) -> dict[str, Any]:
        """One row of `accelerators` in `InstanceFacts.as_dict`."""
        return {
            "kind": self.kind,
            "maker": self.maker,
            "model": self.model,
            "count": str(self.count),
            "devices": self.devices,
            "memory_mib": self.memory_mib,
        }


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One instance type; `corrections` are sentences on what AWS says otherwise, and why."""

    instance_type: str
    vcpu: int
    memory_mib: int
    accelerators: tuple[Accelerator, ...] = ()
    corrections: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; counts of accelerators are decimal strings."""
        return {
            "instance_type": self.instance_type,
            "vcpu": self.vcpu,
            "memory_mib": self.memory_mib,
            "accelerators": [accelerator.as_dict() for accelerator in self.accelerators],
            "corrections": list(self.corrections),
        }


def read_facts(
    settings: AwsSettings, region: str, *, client: Client = None
) -> tuple[InstanceFacts, ...]:
    """The facts of all machines of the settings' families in a region, by name.

    Raises CredentialsMissing, FetchFailed, or DocumentRefused when a machine lacks a fact.
    """
    if client is None:
        with closing(ec2_client(settings, region)) as own:
            return read_facts(settings, region, client=own)
    source = f"aws-ec2/{region}"
    with in_plain_words(source):
        answered = list(_described(settings, client))
    try:
        facts = [facts_of(entry) for entry in answered]
    except (KeyError, TypeError) as error:
        raise DocumentRefused(f"{source}: a machine is described without {error}") from None
    return tuple(sorted(facts, key=lambda fact: fact.instance_type))


def _described(settings: AwsSettings, client: Client) -> Iterator[dict[str, Any]]:
    names = [name if "." in name else f"{name}.*" for name in settings.families]
    filters = [{"Name": "instance-type", "Values": names}]
    for page in client.get_paginator("describe_instance_types").paginate(Filters=filters):
        yield from page["InstanceTypes"]


def facts_of(entry: Mapping[str, Any]) -> InstanceFacts:
    """The facts in one entry of DescribeInstanceTypes; KeyError when one is missing."""
    name = entry["InstanceType"]
    corrections: list[str] = []
    accelerators = (*_gpus(name, entry, corrections), *_others(entry))
    return InstanceFacts(
        name,
        entry["VCpuInfo"]["DefaultVCpus"],
        entry["MemoryInfo"]["SizeInMiB"],
        accelerators,
        tuple(corrections),
    )


def _gpus(name: str, entry: Mapping[str, Any], corrections: list[str]) -> Iterator[Accelerator]:
    for gpu in entry.get("GpuInfo", {}).get("Gpus", []):
        maker = gpu["Manufacturer"]
        model = _model(name, maker, gpu["Name"], corrections)
        said = gpu.get("MemoryInfo", {}).get("SizeInMiB")
        share = _share(model, said, gpu)
        memory = _memory(model, said, share, corrections)
        devices = gpu.get("LogicalGpuCount", gpu["Count"])
        if share != 1 and gpu["Count"] != share * devices:
            whole = f"AWS counts {gpu['Count']} {model}; each device is {share} of one"
            corrections.append(whole)
        yield Accelerator("gpu", maker, model, share * devices, devices, memory)


def _model(name: str, maker: str, said: str, corrections: list[str]) -> str | None:
    if said != maker:
        return said
    model = _UNNAMED.get(name.partition(".")[0])
    corrections.append(f"AWS calls the GPU {said!r}, its maker; it is {model or 'not known'}")
    return model


def _share(model: str | None, said: int | None, gpu: Mapping[str, Any]) -> Decimal:
    """Which part of a whole GPU each device is."""
    if "GpuPartitionSize" in gpu:
        return Decimal(str(gpu["GpuPartitionSize"])).normalize()
    if model not in _FULL_MEMORY_MIB or said is None:
        return Decimal(1)
    # Older answers count a part as a whole; parts are eighths, told by their memory.
    whole, _ = _FULL_MEMORY_MIB[model]
    return min(Decimal(1), Decimal(round(8 * said / whole)) / 8)


def _memory(
    model: str | None, said: int | None, share: Decimal, corrections: list[str]
) -> int | None:
    if model not in _FULL_MEMORY_MIB or said is None:
        return said
    of_aws, on_card = _FULL_MEMORY_MIB[model]
    if said != int(of_aws * share):
        return said
    memory = int(on_card * share)
    corrections.append(
        f"AWS gives each {model} {said} MiB, a data sheet's GB taken for 10^9 bytes; it is {memory}"
    )
    return memory


def _others(entry: Mapping[str, Any]) -> Iterator[Accelerator]:
    # inf1 and inf2 are described twice; NeuronInfo is the newer of the two.
    for chip in entry.get("NeuronInfo", {}).get("NeuronDevices", []):
        yield _whole("neuron", "AWS", chip)
    if "NeuronInfo" not in entry:
        for chip in entry.get("InferenceAcceleratorInfo", {}).get("Accelerators", []):
            yield _whole("inference", chip["Manufacturer"], chip)


def _whole(kind: str, maker: str, chip: Mapping[str, Any]) -> Accelerator:
    memory = chip.get("MemoryInfo", {}).get("SizeInMiB")
    return Accelerator(kind, maker, chip["Name"], Decimal(chip["Count"]), chip["Count"], memory)
