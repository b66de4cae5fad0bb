"""EC2 prices from the Price List Query API, asked of the loopback one by real boto3."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from breakeven.demo.price_list import REGIONS, Item, Machine, price_list
from breakeven.demo.pricing_api import Fault, PricingApi
from pricebook.config import Table
from pricebook.errors import ConfigError, CredentialsMissing, DocumentRefused, FetchFailed
from pricebook.quote import Quote, Series
from scraper.aws.client import TokenBucket, pricing_client
from scraper.aws.query import Answer, conditions, read_answer, read_prices
from scraper.aws.settings import AwsSettings, parent_region

PUBLISHED = datetime(2026, 9, 10, 19, 55, 14, tzinfo=UTC)

P4D = Machine(
    *("p4d.24xlarge", "us-east-1", 96, "1152 GiB", Decimal("21.957642")),
    # The price before June 2025 was 32.7726; these terms are of that time (2025-04-04).
    reserved={
        (1, "standard", "none"): (Decimal(0), Decimal("20.1754983")),
        (1, "standard", "all"): (Decimal(164955), Decimal(0)),
    },
    gpu="8",
    gpu_memory="320 GB HBM2",
    capacity_block=True,
)
G6 = Machine("g6.xlarge", "us-east-1", 4, "16 GiB", Decimal("0.8048"), gpu="1")
INF2 = Machine(
    *("inf2.xlarge", "us-east-1", 4, "16 GiB", Decimal("0.7582")),
    instance_family="Machine Learning ASIC Instances",
)
M5 = Machine(
    *("m5.large", "us-east-1", 2, "8 GiB", Decimal("0.096")), instance_family="General purpose"
)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[PricingApi]:
    """The loopback Price List API, with keys that it takes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with PricingApi(price_list([P4D, G6, INF2, M5], PUBLISHED)) as server:
        yield server


def settings_for(api: PricingApi, *families: str, **others: Any) -> AwsSettings:
    return AwsSettings(families=families, endpoint_url=api.url, **others)


def ask(api: PricingApi, *families: str, region: str = "us-east-1", **patience: Any) -> Answer:
    settings = settings_for(api, *families)
    with closing(pricing_client(settings, **patience)) as client:
        return read_prices(settings, region, client=client)


def read(entries: list[Item], *families: str, region: str = "us-east-1") -> Answer:
    raw = json.dumps({"PriceList": [json.dumps(entry) for entry in entries]}).encode()
    return read_answer(raw, AwsSettings(families=families), region)


def priced(quotes: tuple[Quote, ...]) -> dict[tuple[str | None, ...], str]:
    """(meter, term, years, class, payment) -> printed amount."""
    names = ("term", "term_years", "offering_class", "payment")
    return {
        (quote.series.meter, *(quote.series.get(name) for name in names)): quote.quoted
        for quote in quotes
    }


def one_entry(machine: Machine = P4D) -> Item:
    return copy.deepcopy(price_list([machine], PUBLISHED)[0])


def on_demand_rate(entry: Item) -> Item:
    (term,) = entry["terms"]["OnDemand"].values()
    rate: Item
    (rate,) = term["priceDimensions"].values()
    return rate


def test_on_demand_and_both_legs_of_each_commitment_are_quoted(api: PricingApi) -> None:
    """Each term gives an hourly quote, and its upfront fee as a quote of its own."""
    assert priced(ask(api, "p4d").reading.quotes) == {
        ("instance", "on_demand", None, None, None): "21.9576420000",
        ("instance", "reserved", "1", "standard", "none"): "20.1754983000",
        ("instance", "reserved", "1", "standard", "all"): "0.0000000000",
        ("upfront", "reserved", "1", "standard", "all"): "164955",
    }


def test_a_quote_says_what_is_sold_and_where_it_stands(api: PricingApi) -> None:
    """Series, amount, printed text and unit, and the rate code as the place."""
    (quote,) = ask(api, "g6").reading.quotes
    series = Series.of(
        *("aws", "g6.xlarge", "instance", "hour"),
        region="us-east-1",
        os="Linux",
        tenancy="shared",
        term="on_demand",
    )
    assert (quote.series, quote.amount) == (series, Decimal("0.8048"))
    assert (quote.quoted, quote.printed_unit) == ("0.8048000000", "Hrs")
    assert quote.where.split(".")[1:] == ["JRTCKXETXF", "6YS6EN2CT7"]


def test_effective_date_is_not_taken_for_the_time_of_a_change(api: PricingApi) -> None:
    """AWS's effectiveDate is the first of the month, so the price holds from when it is seen."""
    (quote,) = ask(api, "g6").reading.quotes
    assert (quote.valid_from, quote.basis) == (None, "observed")


def test_families_and_single_types_are_kept_and_no_others(api: PricingApi) -> None:
    """`p4d` is not p4de, a type can be named by itself, other machines are left out."""
    api.publish(price_list([P4D, replace(P4D, instance_type="p4de.24xlarge"), G6, M5], PUBLISHED))
    answer = ask(api, "p4d", "g6.xlarge")
    assert {quote.series.product for quote in answer.reading.quotes} == {
        *("p4d.24xlarge", "g6.xlarge"),
    }


def test_accelerators_are_asked_for_by_their_groups(api: PricingApi) -> None:
    """One question covers GPU and ML machines; a general family needs one over everything."""
    both = {quote.series.product for quote in ask(api, "p4d", "inf2").reading.quotes}
    assert ({"p4d.24xlarge", "inf2.xlarge"}, 1) == (both, len(api.calls))
    assert [quote.series.product for quote in ask(api, "m5").reading.quotes] == ["m5.large"]


def test_the_sweep_goes_through_all_pages(api: PricingApi) -> None:
    """250 machines come in three pages of at most a hundred."""
    many = [replace(G6, instance_type=f"g6.{size}xlarge") for size in range(1, 251)]
    api.publish(price_list(many, PUBLISHED))
    assert len(ask(api, "g6").reading.quotes) == 250
    assert len(api.calls) == 3


def test_all_regions_are_swept_within_aws_quota(api: PricingApi) -> None:
    """Thirty regions with eighty GPU and ML machines each: a call a region, none refused for good.

    AWS allows ten calls at once and five a second after that, so it takes four seconds.
    """
    names = [f"g6.{size}xlarge" for size in range(1, 71)]
    chips = [f"inf2.{size}xlarge" for size in range(1, 11)]
    everywhere = [
        replace(like, instance_type=name, region=region)
        for region in REGIONS
        for like, types in ((G6, names), (INF2, chips))
        for name in types
    ]
    with PricingApi(price_list(everywhere, PUBLISHED), throttled=True) as server:
        settings = settings_for(server, "g6", "inf2")
        with closing(pricing_client(settings)) as client:
            answers = {one: read_prices(settings, one, client=client) for one in REGIONS}

        assert (30, {80}) == (
            len(answers),
            {len(answer.reading.quotes) for answer in answers.values()},
        )
        assert ["GetProducts"] * 30 == server.calls


def test_an_unchanged_list_gives_unchanged_bytes_that_can_be_read_again(api: PricingApi) -> None:
    """Evidence doesn't depend on the order in which AWS lists its products."""
    many = [replace(G6, instance_type=f"g6.{size}xlarge") for size in range(60)]
    api.publish(price_list(many, PUBLISHED))
    first = ask(api, "g6")
    api.publish(price_list(many[::-1], PUBLISHED))
    second = ask(api, "g6")
    assert second.raw == first.raw
    assert read_answer(first.raw, settings_for(api, "g6"), "us-east-1") == first


def test_each_operating_system_is_its_own_series(api: PricingApi) -> None:
    """Linux and Windows are asked for one after the other, each with its own operation."""
    windows = replace(G6, operating_system="Windows", on_demand=Decimal("0.9888"))
    api.publish(price_list([G6, windows], PUBLISHED))
    settings = settings_for(api, "g6", operating_systems=("Linux", "Windows"))
    quotes = read_prices(settings, "us-east-1").reading.quotes
    assert {(q.series.get("os"), q.amount) for q in quotes} == {
        ("Linux", Decimal("0.8048")),
        ("Windows", Decimal("0.9888")),
    }


def test_a_capacity_block_twin_is_refused_and_the_other_lives() -> None:
    """Without the filter on marketoption the $0 twin arrives; it is set aside with the reason."""
    answer = read(price_list([P4D], PUBLISHED), "p4d")
    assert len(answer.reading.quotes) == 4
    (aside,) = answer.reading.set_aside
    assert aside.reason == "p4d.24xlarge: marketoption is 'CapacityBlock', not 'OnDemand'"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("regionCode", "us-west-2"),
        ("locationType", "AWS Local Zone"),
        ("tenancy", "Dedicated"),
        ("preInstalledSw", "SQL Std"),
        ("licenseModel", "Bring your own license"),
        ("capacitystatus", "AllocatedCapacityReservation"),
        ("operation", "RunInstances:0g00"),
        ("operatingSystem", "Ubuntu Pro"),
    ],
)
def test_an_entry_on_other_conditions_is_set_aside(attribute: str, value: str) -> None:
    """Each condition that was asked for is checked in the answer too."""
    entry = one_entry()
    entry["product"]["attributes"][attribute] = value
    (aside,) = read([entry, one_entry(G6)], "p4d", "g6").reading.set_aside
    assert value in aside.reason


@pytest.mark.parametrize(
    ("place", "kind", "parent"),
    [
        ("us-east-1", "AWS Region", "us-east-1"),
        ("us-gov-west-1", "AWS Region", "us-gov-west-1"),
        ("us-west-2-lax-1", "AWS Local Zone", "us-west-2"),
        ("us-east-1-wl1", "AWS Wavelength Zone", "us-east-1"),
        ("eu-central-1-wl1-ber1", "AWS Wavelength Zone", "eu-central-1"),
    ],
)
def test_a_zone_is_a_place_with_prices_of_its_own(place: str, kind: str, parent: str) -> None:
    """It can be set like a region; its region's EC2 answers for it."""
    settings = AwsSettings.from_table(Table({"regions": [place]}, "[aws]"))
    assert (place,) == settings.regions
    assert (kind, parent) == (conditions(place, "Linux")["locationType"], parent_region(place))


def test_two_skus_for_one_machine_are_both_set_aside() -> None:
    """The one that stands last is no better than the other; the rest of the region is read."""
    twin = one_entry()
    twin["product"]["sku"] = "TWIN"
    answer = read([one_entry(), twin, one_entry(G6)], "p4d", "g6")
    assert [quote.series.product for quote in answer.reading.quotes] == ["g6.xlarge"]
    (aside,) = answer.reading.set_aside
    assert aside.reason == "2 entries for p4d.24xlarge Linux, where one is right"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pricePerUnit": {"USD": "0.0000000000"}}, "on demand at 0"),
        ({"unit": "Quantity"}, "has the unit 'Quantity', not 'Hrs'"),
        ({"pricePerUnit": {"USD": "1", "CNY": "7"}}, "a price in 2 currencies"),
        ({"pricePerUnit": {"USD": "NaN"}}, "a price that is no amount"),
        ({"pricePerUnit": {"USD": "-1.0"}}, "a price that is no amount"),
        ({"pricePerUnit": {"USD": "0.12345678901"}}, "a price that is no amount"),
        ({"pricePerUnit": None}, "a term in an unknown shape"),
    ],
)
def test_a_strange_on_demand_rate_is_set_aside_alone(change: Item, reason: str) -> None:
    """Nothing is guessed, and the commitments of the same machine are still read."""
    entry = one_entry()
    on_demand_rate(entry).update(change)
    answer = read([entry], "p4d")
    assert len(answer.reading.quotes) == 3
    (aside,) = answer.reading.set_aside
    assert reason in aside.reason


def test_two_on_demand_rates_are_set_aside() -> None:
    """Tiered or doubled rates are not what one machine hour costs."""
    entry = one_entry(G6)
    (term,) = entry["terms"]["OnDemand"].values()
    term["priceDimensions"]["second"] = dict(on_demand_rate(one_entry(G6)))
    with pytest.raises(DocumentRefused, match="has 2 prices in Hrs, where one is right"):
        read([entry], "g6")


def reserved_term(entry: Item, code: str) -> Item:
    return next(t for t in entry["terms"]["Reserved"].values() if t["offerTermCode"] == code)


def test_half_a_commitment_is_none() -> None:
    """All Upfront without its fee would look free, so neither leg is quoted."""
    entry = one_entry()
    rates = reserved_term(entry, "6QCMYABX3D")["priceDimensions"]
    del rates[next(code for code in rates if code.endswith("2TG2D8R56U"))]
    answer = read([entry], "p4d")
    assert {quote.series.get("payment") for quote in answer.reading.quotes} == {None, "none"}
    (aside,) = answer.reading.set_aside
    assert "has 0 prices in Quantity" in aside.reason


def test_a_fee_on_a_no_upfront_commitment_is_a_contradiction() -> None:
    """Neither its words nor its prices are believed."""
    entry = one_entry()
    reserved_term(entry, "6QCMYABX3D")["termAttributes"]["PurchaseOption"] = "No Upfront"
    reserved_term(entry, "4NA7Y494T4")["termAttributes"]["LeaseContractLength"] = "3yr"
    answer = read([entry], "p4d")
    assert len(answer.reading.quotes) == 2
    (aside,) = answer.reading.set_aside
    assert aside.reason == "an upfront fee on a No Upfront term"


@pytest.mark.parametrize(
    ("word", "value"),
    [("LeaseContractLength", "2yr"), ("PurchaseOption", "Some"), ("OfferingClass", "flexible")],
)
def test_a_commitment_on_unknown_conditions_is_set_aside(word: str, value: str) -> None:
    """A new kind of commitment doesn't stop the others, and isn't taken for one of them."""
    entry = one_entry()
    reserved_term(entry, "4NA7Y494T4")["termAttributes"][word] = value
    answer = read([entry], "p4d")
    assert len(answer.reading.quotes) == 3
    assert value in answer.reading.set_aside[0].text


def test_a_no_upfront_commitment_at_0_is_set_aside() -> None:
    """$0 an hour is right for All Upfront only."""
    machine = replace(P4D, reserved={(1, "standard", "none"): (Decimal(0), Decimal(0))})
    answer = read([one_entry(machine)], "p4d")
    assert len(answer.reading.quotes) == 1
    assert answer.reading.set_aside[0].reason == "p4d.24xlarge: a commitment at 0"


def test_two_commitments_on_the_same_conditions_are_both_set_aside() -> None:
    """Hours at $0 must not stay behind when two upfront fees contradict each other."""
    entry = one_entry()
    twin = copy.deepcopy(reserved_term(entry, "6QCMYABX3D"))
    fee = next(rate for rate in twin["priceDimensions"].values() if rate["unit"] == "Quantity")
    fee["pricePerUnit"] = {"USD": "1"}
    entry["terms"]["Reserved"]["twin"] = twin
    answer = read([entry], "p4d")
    assert {quote.series.get("payment") for quote in answer.reading.quotes} == {None, "none"}
    (aside,) = answer.reading.set_aside
    assert aside.text == "0.0000000000 | 164955 | 0.0000000000 | 1"


def test_the_words_of_a_term_go_before_its_code() -> None:
    """China's lists use other codes; without words the known code is used."""
    entry = one_entry()
    reserved_term(entry, "4NA7Y494T4")["offerTermCode"] = "CHINESE"
    reserved_term(entry, "6QCMYABX3D")["termAttributes"] = {}
    assert len(read([entry], "p4d").reading.quotes) == 4


def test_the_currency_is_the_lists_own() -> None:
    """China's list is in CNY."""
    entry = one_entry(G6)
    on_demand_rate(entry)["pricePerUnit"] = {"CNY": "9.5000000000"}
    assert read([entry], "g6").reading.quotes[0].series.currency == "CNY"


def test_an_entry_in_another_shape_is_set_aside() -> None:
    """The free tier's pseudo product has no instance type; it stops nothing."""
    free_tier: Item = {"product": {"sku": "FREE", "attributes": {}}, "terms": {}}
    answer = read([free_tier, one_entry(G6)], "g6")
    assert len(answer.reading.quotes) == 1
    assert "unknown shape ('instanceType')" in answer.reading.set_aside[0].reason


@pytest.mark.parametrize("attribute", ["instanceType", "operatingSystem"])
@pytest.mark.parametrize("value", [["Linux"], {"is": "Linux"}, 7, None])
def test_an_attribute_that_is_no_text_sets_its_entry_aside(attribute: str, value: Any) -> None:
    """A list or a figure where a name belongs stops nothing, and the others are read."""
    strange = one_entry()
    strange["product"]["attributes"][attribute] = value
    reading = read([strange, one_entry(G6)], "p4d", "g6").reading
    assert [quote.series.product for quote in reading.quotes] == ["g6.xlarge"]
    (aside,) = reading.set_aside
    assert "unknown shape" in aside.reason or f"operatingSystem is {value!r}" == aside.reason


def test_a_family_that_exists_but_is_not_sold_is_reported_apart(api: PricingApi) -> None:
    """p5e is sold by Capacity Block only: that is a fact, not a fault."""
    answer = ask(api, "g6", "p5e")
    assert (answer.not_sold, answer.reading.set_aside) == (("p5e",), ())


def test_a_misspelt_family_is_named(api: PricingApi) -> None:
    """It matches nothing that boto3 knows; the nearest name is proposed and the rest is read."""
    answer = ask(api, "g6", "g4ndn")
    (aside,) = answer.reading.set_aside
    assert aside.reason.startswith(
        "AWS sells no g4ndn in us-east-1, and boto3 knows no such family"
    )
    assert aside.reason.endswith("did you mean g4dn?")
    assert (aside.where, answer.not_sold) == ("[aws] families", ())


def test_a_region_without_any_price_is_refused(api: PricingApi) -> None:
    """An empty answer would otherwise look as if everything had been withdrawn."""
    with pytest.raises(DocumentRefused, match=r"aws-ec2/us-west-2: AWS lists no price of p4d"):
        ask(api, "p4d", region="us-west-2")


def test_without_credentials_one_sentence_says_what_to_do(
    api: PricingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is sent, and the keys to set are named."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsMissing, match="set AWS_ACCESS_KEY_ID and AWS_SECRET"):
        ask(api, "p4d")
    assert api.calls == []


def test_an_unknown_profile_is_missing_credentials(api: PricingApi) -> None:
    """The profile is named."""
    with pytest.raises(CredentialsMissing, match=r"config profile \(nobody\) could not be found"):
        read_prices(settings_for(api, "p4d", profile="nobody"), "us-east-1")


def test_passing_trouble_is_tried_again(api: PricingApi) -> None:
    """A throttled call and an error of the server are overcome."""
    api.plan(Fault.THROTTLE, Fault.INTERNAL_ERROR)
    assert len(ask(api, "g6").reading.quotes) == 1


@pytest.mark.parametrize(
    ("fault", "error", "sentence"),
    [
        (Fault.THROTTLE, FetchFailed, "AWS still throttles GetProducts after all retries"),
        (Fault.ACCESS_DENIED, FetchFailed, "may not call GetProducts; allow it"),
        (Fault.INTERNAL_ERROR, FetchFailed, "answered GetProducts with InternalErrorException"),
        (Fault.TRUNCATE, DocumentRefused, "AWS's answer is cut off"),
        (Fault.REPEAT_TOKEN, DocumentRefused, "AWS's answer can't be read: .*token"),
        (Fault.HANG, FetchFailed, "AWS wasn't reached: Read timeout"),
    ],
)
def test_trouble_that_stays_is_one_sentence(
    api: PricingApi, fault: Fault, error: type[Exception], sentence: str
) -> None:
    """Each ends in an error with the source and the cause, and nothing of the region is read."""
    api.publish(
        price_list([replace(G6, instance_type=f"g6.{n}xlarge") for n in range(150)], PUBLISHED)
    )
    api.plan(None, fault, fault)
    with pytest.raises(error, match=f"^aws-ec2/us-east-1: .*{sentence}"):
        ask(api, "g6", retries=0, read_seconds=0.3)


def test_a_list_replaced_between_two_pages_is_not_mixed(api: PricingApi) -> None:
    """The token of the old list has expired: the region is refused, to be asked for again."""
    many = [replace(G6, instance_type=f"g6.{size}xlarge") for size in range(150)]
    api.publish(price_list(many, PUBLISHED))
    settings = settings_for(api, "g6")
    with closing(pricing_client(settings, retries=0)) as client:

        def replace_list(**_: object) -> None:
            api.publish(price_list(many, PUBLISHED))

        client.meta.events.register("after-call.pricing", replace_list)
        with pytest.raises(FetchFailed, match="ExpiredNextTokenException"):
            read_prices(settings, "us-east-1", client=client)


def test_an_endpoint_that_nobody_answers_is_unreachable(api: PricingApi) -> None:
    """The address stands in the sentence."""
    settings = AwsSettings(families=("g6",), endpoint_url="http://127.0.0.1:9")
    with (
        closing(pricing_client(settings, retries=0)) as client,
        pytest.raises(FetchFailed, match=r"AWS wasn't reached: Could not connect.*127\.0\.0\.1:9"),
    ):
        read_prices(settings, "us-east-1", client=client)


def test_the_endpoint_can_come_from_the_environment(
    api: PricingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_ENDPOINT_URL_PRICING is boto3's own way and needs no setting of ours."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", api.url)
    assert len(read_prices(AwsSettings(families=("g6",)), "us-east-1").reading.quotes) == 1


def test_an_endpoint_that_is_no_address_is_a_setting_to_mend(api: PricingApi) -> None:
    """The wrong text is shown."""
    with pytest.raises(ConfigError, match=r"\[aws\]: Invalid endpoint: localhost"):
        pricing_client(AwsSettings(endpoint_url="localhost"))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"PriceList": ["{\\"product\\": "]}'])
def test_stored_bytes_that_are_no_price_list_are_refused(raw: bytes) -> None:
    """Even one entry that is cut off refuses the region."""
    with pytest.raises(DocumentRefused, match="cut off or not one"):
        read_answer(raw, AwsSettings(), "us-east-1")


def test_the_bucket_lets_a_burst_through_and_then_five_a_second() -> None:
    """Ten calls at once, then one each 0.2 s, and a rest fills it again."""
    now, waits = [0.0], list[float]()
    bucket = TokenBucket(10, 5, clock=lambda: now[0], sleep=waits.append)
    for _ in range(12):
        bucket.take()
    assert waits == pytest.approx([0.2, 0.4])
    now[0] = 100.0
    bucket.take()
    assert len(waits) == 2


def test_every_try_takes_a_token(api: PricingApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS counts refused calls too, so retries wait like first tries."""
    taken: list[None] = []
    monkeypatch.setattr(TokenBucket, "take", lambda _: taken.append(None))
    api.plan(Fault.INTERNAL_ERROR)
    ask(api, "g6")
    assert len(taken) == 2


def test_settings_have_defaults_and_refuse_what_cant_be() -> None:
    """[aws] may be empty; misspelt keys, systems and forms are errors with their place."""
    assert AwsSettings.from_table(Table({}, "[aws]")) == AwsSettings()
    assert "p6-b200" in AwsSettings().families
    for values, words in (
        ({"regions": ["N. Virginia"]}, r"\[aws\]: regions has 'N. Virginia'"),
        ({"families": []}, r"\[aws\]: families is empty"),
        ({"operating_systems": ["linux"]}, "must be some of Linux, Windows"),
        ({"region": ["us-east-1"]}, "did you mean regions"),
    ):
        with pytest.raises(ConfigError, match=words):
            AwsSettings.from_table(Table(values, "[aws]"))


def real_entry(real_data: Path, name: str, **added: str) -> Item:
    path = real_data / "aws" / "pricelist_samples" / name
    entry: Item = json.loads(path.read_text())
    entry["product"]["attributes"].update(added)
    return entry


def test_all_twelve_commitments_of_a_real_entry_are_read(real_data: Path) -> None:
    """c5.xlarge of 2020-06: 20 commitment prices, $0.107 to $0.100 an hour for a year."""
    # Entries of 2020 have neither attribute yet.
    now = {"regionCode": "us-east-1", "marketoption": "OnDemand"}
    entry = real_entry(real_data, "item_c5.xlarge_us-east-1_all12reserved_20200618.json", **now)
    reading = read([entry], "c5.xlarge").reading
    prices = priced(reading.quotes)
    assert (len(prices), reading.set_aside) == (1 + 12 + 8, ())
    assert {
        payment: Decimal(prices["instance", "reserved", "1", "standard", payment])
        + Decimal(prices.get(("upfront", "reserved", "1", "standard", payment), 0)) / 8760
        for payment in ("none", "partial", "all")
    } == {
        "none": Decimal("0.107"),
        "partial": Decimal("0.051") + Decimal(447) / 8760,
        "all": Decimal("0.1"),
    }


def test_a_real_capacity_block_entry_is_refused(real_data: Path) -> None:
    """p4d of 2024-05: $32.7726 on demand, and its twin at $0 beside it."""
    names = ("OnDemand", "CapacityBlock")
    files = [f"item_p4d.24xlarge_us-east-1_{name}_20240528.json" for name in names]
    reading = read([real_entry(real_data, file) for file in files], "p4d").reading
    assert [quote.quoted for quote in reading.quotes] == ["32.7726000000"]
    assert "'CapacityBlock'" in reading.set_aside[0].reason


def test_absent_commitments_are_absent(real_data: Path) -> None:
    """p5.48xlarge of 2025-04 has no standard commitment of one year: no quote, and no 0 either."""
    name = "assembled_p5.48xlarge_us-east-1_OnDemand+ReservedNoUpfront_20250404.json"
    reading = read([real_entry(real_data, name)], "p5").reading
    assert reading.set_aside == ()
    assert set(priced(reading.quotes)) == {
        ("instance", "on_demand", None, None, None),
        ("instance", "reserved", "3", "standard", "none"),
        ("instance", "reserved", "1", "convertible", "none"),
        ("instance", "reserved", "3", "convertible", "none"),
    }


@pytest.mark.parametrize(
    ("region", "p4d", "not_sold"),
    [
        ("us-east-1", "21.957642", ("p5e",)),
        ("us-west-2", "21.957640", ("p5e",)),
        ("eu-west-1", "23.71569", ("p5", "p5e")),
    ],
)
def test_a_real_list_gives_each_region_its_own_prices(
    api: PricingApi, real_data: Path, region: str, p4d: str, not_sold: tuple[str, ...]
) -> None:
    """The list of 2026-09-10 through the whole protocol; nothing else gets through the filters."""
    samples = real_data / "aws" / "pricelist_samples"
    path = samples / "getproducts_shaped_response_substrate_20260910.json"
    api.publish([json.loads(entry) for entry in json.loads(path.read_text())["PriceList"]])
    answer = ask(api, "p4d", "p5", "p5e", "g4dn", region=region)
    prices = {quote.series.product: quote.amount for quote in answer.reading.quotes}
    assert prices["p4d.24xlarge"] == Decimal(p4d)
    assert (answer.not_sold, answer.reading.set_aside) == (not_sold, ())


def test_boto3_is_not_imported_before_it_is_needed() -> None:
    """The command line answers --help without it."""
    code = (
        "import sys, scraper.aws.query, scraper.aws.instances; sys.exit('botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
