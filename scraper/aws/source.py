"""AWS EC2 as a source: each region is a partition, with its machines' facts beside its prices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias

from pricebook.errors import CredentialsMissing, FetchFailed, SourceError
from pricebook.garbage import nothing_collected
from pricebook.quote import Series, SetAside
from pricebook.runs import Fetched
from scraper.aws.bulk import cut_key, cut_list, read_list
from scraper.aws.capacity_blocks import read_blocks
from scraper.aws.client import Client, ec2_client, pricing_client, savings_client
from scraper.aws.instances import read_facts
from scraper.aws.price_files import Cut, PriceFiles, PriceList
from scraper.aws.query import SELLER, Answer, read_prices
from scraper.aws.savings import ask_rates, cut_rates, read_rates
from scraper.aws.settings import AwsSettings, location_type, parent_region
from scraper.aws.spot import read_spot
from scraper.aws.whole_source import look_at_list
from scraper.collect import Taken, Tools, kept

log = logging.getLogger("breakeven")

SAVINGS_PLANS, SPOT, CAPACITY_BLOCKS = "savings_plans", "spot", "capacity_blocks"

Machines: TypeAlias = Mapping[str, Series]
"""A region's machines by the SKU of their price."""


Way: TypeAlias = Callable[[str, Machines], tuple[Fetched, Answer]]
"""Reads something of a region, given its machines; raises SourceError."""

Read: TypeAlias = Callable[[], tuple[Fetched, Answer]]
"""Gives what was read, and what it was read from; raises SourceError."""


@dataclass(frozen=True, slots=True)
class Ec2Source:
    """On-demand and reserved prices, Savings Plans, spot prices, and facts about the machines.

    Where there is no account, the public files give the first two. Whole lists are read from them
    in any case, on-demand and reserved prices only.
    """

    settings: AwsSettings
    name: str = "aws-ec2"

    @property
    def partitions(self) -> tuple[str, ...]:
        """Each region's price list, and what else is read of it."""
        return tuple(
            self._partition(place)
            for region in self.settings.regions
            for place in (region, *self._more(region))
        )

    def take(self, tools: Tools) -> Iterator[Taken]:
        """One look at each region; a dead region says so and the others go on."""
        if self.settings.takes_whole_lists:
            files = PriceFiles(tools.client, self.settings.price_files_url)
            for region in self.settings.regions:
                yield look_at_list(files, self._partition(region), region, tools)
            return
        with ExitStack() as stack:
            reader = _Reader(self.settings, tools, stack)
            for region in self.settings.regions:
                taken, answer = self._look(region, partial(reader.prices, region), tools)
                if answer is None:
                    yield taken
                    continue
                facts, missed = self._facts(region)
                yield replace(taken, facts=facts, set_aside=(*taken.set_aside, *missed))
                for place, read in reader.more(region, answer, self._more(region)):
                    yield self._look(place, read, tools)[0]

    def _more(self, region: str) -> list[str]:
        """What is read of a region beside its price list; of a zone, or a whole list, nothing."""
        if location_type(region) != "AWS Region" or self.settings.takes_whole_lists:
            return []
        wanted = {
            SAVINGS_PLANS: self.settings.savings_plans,
            SPOT: self.settings.spot,
            CAPACITY_BLOCKS: self.settings.capacity_blocks,
        }
        return [f"{region}/{name}" for name, is_wanted in wanted.items() if is_wanted]

    @nothing_collected()
    def _look(self, place: str, read: Read, tools: Tools) -> tuple[Taken, Answer | None]:
        at = tools.clock()
        try:
            fetched, answer = read()
        except SourceError as error:
            return Taken(self._partition(place), at, error=error), None
        quotes = tuple((quote, 0) for quote in answer.reading.quotes)
        aside = answer.reading.set_aside
        taken = Taken(self._partition(place), at, (fetched,), quotes, aside, seller=SELLER)
        return taken, answer

    def _facts(self, region: str) -> tuple[Mapping[str, Mapping[str, Any]], tuple[SetAside, ...]]:
        """What the region's machines are made of; prices don't wait for it."""
        if not self.settings.instance_facts:
            return {}, ()
        try:
            found = read_facts(self.settings, parent_region(region))
        except CredentialsMissing:
            return {}, ()
        except SourceError as error:
            return {}, (SetAside("no facts about the machines", region, str(error)),)
        return {facts.instance_type: facts.as_dict() for facts in found}, ()

    def _partition(self, place: str) -> str:
        return f"{self.name}/{place}"


class _Reader:
    """Asks AWS until it turns out that there is no account; then reads the public files."""

    def __init__(self, settings: AwsSettings, tools: Tools, stack: ExitStack) -> None:
        self._settings, self._tools, self._stack = settings, tools, stack
        self._clients: dict[str, Client] = {}
        self._no_account: CredentialsMissing | None = None

    def prices(self, region: str) -> tuple[Fetched, Answer]:
        """A region's price list."""
        if self._no_account is None:
            try:
                return self._ask(region)
            except CredentialsMissing as error:
                if not self._settings.may_read_files:
                    raise
                self._no_account = error
        try:
            found = self._read_file(region)
        except SourceError as error:
            raise self._neither(region, error) from error
        log.info("aws-ec2/%s: without AWS credentials, read from AWS's public price list", region)
        return found

    def more(
        self, region: str, answer: Answer, places: Collection[str]
    ) -> Iterator[tuple[str, Read]]:
        """How to read what else is wanted of a region; most of it only an account is told."""
        ways: dict[str, Way] = {SAVINGS_PLANS: self._read_savings}
        if self._no_account is None:
            ways = {
                SAVINGS_PLANS: self._ask_savings,
                SPOT: self._ask_spot,
                CAPACITY_BLOCKS: self._ask_blocks,
            }
        machines = {quote.where.partition(".")[0]: quote.series for quote in answer.reading.quotes}
        for place in places:
            way = ways.get(place.rpartition("/")[2])
            if way:
                yield place, partial(way, region, machines)

    def _ask(self, region: str) -> tuple[Fetched, Answer]:
        client = self._client("pricing", pricing_client)
        answer = read_prices(self._settings, region, client=client)
        return self._kept(f"aws-pricing:GetProducts/AmazonEC2/{region}", answer)

    def _ask_savings(self, region: str, _: Machines) -> tuple[Fetched, Answer]:
        client = self._client("savingsplans", savings_client)
        answer = ask_rates(self._settings, region, client=client)
        return self._kept(f"aws-savingsplans:DescribeSavingsPlansOfferingRates/{region}", answer)

    def _ask_spot(self, region: str, machines: Machines) -> tuple[Fetched, Answer]:
        client = self._client(region, partial(ec2_client, region=region))
        types = {series.product for series in machines.values()}
        systems = self._settings.operating_systems
        answer = read_spot(types, systems, region, self._tools.clock(), client=client)
        return self._kept(f"aws-ec2:DescribeSpotPriceHistory/{region}", answer)

    def _ask_blocks(self, region: str, _: Machines) -> tuple[Fetched, Answer]:
        client = self._client(region, partial(ec2_client, region=region))
        answer = read_blocks(self._settings, region, client=client)
        return self._kept(f"aws-ec2:DescribeCapacityBlockOfferings/{region}", answer)

    def _client(self, name: str, make: Callable[[AwsSettings], Client]) -> Client:
        if name not in self._clients:
            self._clients[name] = self._stack.enter_context(closing(make(self._settings)))
        return self._clients[name]

    def _kept(self, address: str, answer: Answer) -> tuple[Fetched, Answer]:
        digest = self._tools.evidence.put(answer.raw)
        at = self._tools.clock()
        return Fetched(address, "json", at, digest, len(answer.raw)), answer

    def _read_file(self, region: str) -> tuple[Fetched, Answer]:
        current = self._files.current(region)
        cut = partial(cut_list, settings=self._settings, region=region)
        fetched, raw = self._part(current, cut_key(self._settings), cut)
        return fetched, read_list(raw, self._settings, region)

    def _read_savings(self, region: str, machines: Machines) -> tuple[Fetched, Answer]:
        current = self._files.current_savings_plans(region)
        cut = partial(cut_rates, machines=machines, region=region)
        key = sha256(",".join(sorted(machines)).encode()).hexdigest()[:16]
        fetched, raw = self._part(current, f"machines-{key}", cut)
        return fetched, read_rates(raw, machines, region)

    @property
    def _files(self) -> PriceFiles:
        return PriceFiles(self._tools.client, self._settings.price_files_url)

    def _part(self, current: PriceList, key: str, cut: Cut) -> tuple[Fetched, bytes]:
        """What is wanted of the list in force; not asked for again while that is the same."""
        url = f"{current.url}#{key}"
        fetched, raw = kept(self._tools, url)
        at = self._tools.clock()
        if fetched is None:
            raw = self._files.fetch(current, cut).body
            fetched = Fetched(url, "csv", at, self._tools.evidence.put(raw), len(raw))
        return replace(fetched, at=at), raw

    def _neither(self, region: str, error: SourceError) -> FetchFailed:
        reason = str(error).removeprefix(f"aws-ec2/{region}: ")
        return FetchFailed(
            f"{self._no_account}; AWS's public price list was no help either: {reason}",
            retry_after=getattr(error, "retry_after", None),
        )
