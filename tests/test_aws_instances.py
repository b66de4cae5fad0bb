"""Facts about EC2 machines, from moto's copy of what DescribeInstanceTypes answers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from moto import mock_aws

from pricebook.errors import CredentialsMissing
from scraper.aws.instances import Accelerator, InstanceFacts, facts_of, read_facts
from scraper.aws.settings import AwsSettings

GIB = 1024


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto in place of AWS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


def facts(*families: str) -> dict[str, InstanceFacts]:
    found = read_facts(AwsSettings(families=families), "us-east-1")
    return {fact.instance_type: fact for fact in found}


def described(instance_type: str, **info: Any) -> dict[str, Any]:
    """An entry as DescribeInstanceTypes gives it."""
    return {
        "InstanceType": instance_type,
        "VCpuInfo": {"DefaultVCpus": 8},
        "MemoryInfo": {"SizeInMiB": 32 * GIB},
        **info,
    }


def gpu(name: str, count: int, mib: int, **more: Any) -> dict[str, Any]:
    card = {"Name": name, "Manufacturer": "NVIDIA", "Count": count, **more}
    return {"GpuInfo": {"Gpus": [{**card, "MemoryInfo": {"SizeInMiB": mib}}]}}


def test_a_gpu_machine_is_described(ec2: None) -> None:
    """p4d: 96 vCPUs, 1152 GiB, eight A100 of 40 GiB, nothing to correct."""
    a100 = Accelerator("gpu", "NVIDIA", "A100", Decimal(8), 8, 40 * GIB)
    assert facts("p4d") == {
        "p4d.24xlarge": InstanceFacts("p4d.24xlarge", 96, 1152 * GIB, (a100,)),
    }


def test_neuron_chips_are_accelerators_too(ec2: None) -> None:
    """Trainium has NeuronInfo alone; Inferentia2 is described twice and counted once."""
    found = facts("trn1.32xlarge", "inf2.24xlarge")
    assert [*found["trn1.32xlarge"].accelerators, *found["inf2.24xlarge"].accelerators] == [
        Accelerator("neuron", "AWS", "Trainium", Decimal(16), 16, 32 * GIB),
        Accelerator("neuron", "AWS", "Inferentia2", Decimal(6), 6, 32 * GIB),
    ]


def test_other_inference_chips_are_kept_with_their_maker(ec2: None) -> None:
    """dl2q holds eight chips by Qualcomm."""
    (chip,) = facts("dl2q")["dl2q.24xlarge"].accelerators
    assert (chip.kind, chip.maker, chip.count) == ("inference", "Qualcomm", Decimal(8))


def test_families_don_t_swallow_their_neighbours(ec2: None) -> None:
    """`p5` is neither p5e nor p5en, and a type stands for itself; the order is by name."""
    assert list(facts("p5", "g6.xlarge")) == ["g6.xlarge", "p5.48xlarge", "p5.4xlarge"]


def test_a_machine_without_accelerators_has_none(ec2: None) -> None:
    """That is known, not unknown."""
    assert facts("m5.large")["m5.large"].accelerators == ()


def test_l4_memory_is_what_is_on_the_card(ec2: None) -> None:
    """AWS's 22,888 MiB are 24 x 10^9 bytes; the card has 24 GiB, and the facts say so."""
    fact = facts("g6.xlarge")["g6.xlarge"]
    assert fact.accelerators[0].memory_mib == 24 * GIB
    (correction,) = fact.corrections
    assert "22888" in correction


def test_part_of_a_gpu_counts_as_a_part(ec2: None) -> None:
    """g6f.2xlarge has a quarter of an L4 in one device with a quarter of its memory."""
    fact = facts("g6f.2xlarge")["g6f.2xlarge"]
    assert fact.accelerators == (Accelerator("gpu", "NVIDIA", "L4", Decimal("0.25"), 1, 6 * GIB),)
    assert "AWS counts 0 L4; each device is 0.25 of one" in fact.corrections


def test_part_of_a_gpu_is_seen_by_its_memory_in_older_answers() -> None:
    """They count 1 without a partition size: 2,861 of 22,888 MiB is an eighth."""
    (part,) = facts_of(described("g6f.large", **gpu("L4", 1, 2861))).accelerators
    assert (part.count, part.devices, part.memory_mib) == (Decimal("0.125"), 1, 3 * GIB)


@pytest.mark.parametrize("instance_type", ["p5e.48xlarge", "p5en.48xlarge"])
def test_a_gpu_that_is_named_after_its_maker_gets_its_model(instance_type: str) -> None:
    """AWS called the H200 of p5e and p5en "NVIDIA"."""
    fact = facts_of(described(instance_type, **gpu("NVIDIA", 8, 141 * GIB)))
    assert fact.accelerators[0].model == "H200"
    assert fact.corrections == ("AWS calls the GPU 'NVIDIA', its maker; it is H200",)


def test_an_unnamed_gpu_of_a_new_family_stays_unknown() -> None:
    """Its count and memory are still right."""
    fact = facts_of(described("p9.48xlarge", **gpu("NVIDIA", 8, 512 * GIB)))
    (accelerator,) = fact.accelerators
    assert (accelerator.model, accelerator.memory_mib) == (None, 512 * GIB)
    assert fact.corrections == ("AWS calls the GPU 'NVIDIA', its maker; it is not known",)


def test_a_corrected_answer_of_aws_is_left_alone() -> None:
    """The day AWS gives the right memory, nothing is changed twice."""
    fact = facts_of(described("g6.xlarge", **gpu("L4", 1, 24 * GIB)))
    l4 = Accelerator("gpu", "NVIDIA", "L4", Decimal(1), 1, 24 * GIB)
    assert (fact.accelerators, fact.corrections) == ((l4,), ())


def test_facts_are_json_with_counts_as_decimal_strings() -> None:
    """The shape that is stored and printed."""
    accelerator = Accelerator("gpu", "NVIDIA", "L4", Decimal("0.25"), 1, 6144)
    assert InstanceFacts("g6f.2xlarge", 8, 32768, (accelerator,)).as_dict() == {
        "instance_type": "g6f.2xlarge",
        "vcpu": 8,
        "memory_mib": 32768,
        "accelerators": [
            {
                "kind": "gpu",
                "maker": "NVIDIA",
                "model": "L4",
                "count": "0.25",
                "devices": 1,
                "memory_mib": 6144,
            }
        ],
        "corrections": [],
    }


def test_without_credentials_the_facts_can_t_be_had() -> None:
    """The same sentence as for prices."""
    with pytest.raises(CredentialsMissing, match="set AWS_ACCESS_KEY_ID"):
        read_facts(AwsSettings(), "us-east-1")
