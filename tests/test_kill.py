"""kill -9 at any moment costs nothing: the next run leaves what an undisturbed one leaves.

`breakeven run --once` is killed as a process, at random moments, once in each of four stages: the
first collection (the making of the database included), a look at which some prices jump and are
held, a look that confirms them, and a look at which a rule fires and its messages are sent. After
each kill one more run has to finish the stage.

Compared is every row that matters to a user, with times as the stage that they lie in. What may
differ: ids, the second within a stage, how often a message was tried, ratios that held only between
two sources of one stage, and an abandoned draft in the evidence folder. A message may come twice,
with the same event id, and says so itself.
"""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from breakeven.demo.facts import Day
from breakeven.demo.world import World, world
from scraper.evidence import EvidenceFolder

KILLS = int(os.environ.get("BREAKEVEN_KILLS", "4"))
SEED = int(os.environ.get("BREAKEVEN_SEED", "0")) or random.randrange(1, 10**6)

STORY = """
[[workload]]
name = "tuning"
kind = "fine_tune"
api = { seller = "openai", product = "gpt-4o-mini-2024-07-18", trained_tokens = 3_000_000 }

[workload.self_host]
instance = "p4d.24xlarge"
hours_per_run = { low = 0.38, point = 0.4, high = 0.42, source = "made up" }
attempts = 1

[[rule]]
name = "pays"
workload = "tuning"
when = "ratio falls below 1"
receivers = ["ml-slack", "finops-mail"]
"""
"""$9 by API; on the machine $13 before its cut and $3 after it."""

BEFORE = Day(
    datetime(2026, 7, 1, tzinfo=UTC),
    "",
    openai=(
        ("gpt-4o", "2.5", "1.25", "10"),
        ("gpt-4.1", "2", "0.5", "8"),
        ("gpt-4.1-mini", "0.4", "0.1", "1.6"),
        ("gpt-3.5-turbo", "0.5", "-", "1.5"),
    ),
    tuned=(("gpt-4o-mini-2024-07-18", "3", "0.3", "0.15", "1.2"),),
    machines={"p4d.24xlarge": Decimal("32.7726"), "g5.xlarge": Decimal("1.006")},
    anthropic=(("Claude Opus 4.5", "5", "25"), ("Claude Sonnet 4.5", "3", "15")),
)
AFTER = replace(
    BEFORE,
    openai=(
        ("gpt-4o", "2", "1", "8"),  # cheaper
        ("gpt-4.1", "2", "0.5", "8"),
        ("gpt-4.1-mini", "0.08", "0.1", "1.6"),  # a slip: input below cached input
    ),  # gpt-3.5-turbo is gone
    machines={"p4d.24xlarge": Decimal("8"), "g5.xlarge": Decimal("1.006")},  # held, then believed
    anthropic=(("Claude Opus 4.5", "5", "25"), ("Claude Sonnet 4.5", "30", "150")),  # held, too
)
STAGES = (BEFORE, AFTER, AFTER, AFTER)


@dataclass
class Tale:
    """One folder's life through all stages; `chance` None: undisturbed."""

    folder: Path
    chance: random.Random | None = None
    budget: int = 0
    kills: int = 0
    begun: list[int] = field(default_factory=list)
    durations: list[tuple[float, float]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    repeats: int = 0

    def live(self, durations: list[tuple[float, float]]) -> dict[str, Any]:
        """Through all stages; what is left. `durations`: how long an undisturbed one takes."""
        with world(BEFORE) as around:
            config = around.config(self.folder, STORY)
            config = config.replace('"anthropic", "google", "aws', '"anthropic", "aws')
            (self.folder / "breakeven.toml").write_text(config)
            for number, day in enumerate(STAGES):
                around.turn_to(day)
                self.begin_stage()
                if self.chance and self.kills < self.budget:
                    self.run_and_kill(around, number, durations[number])
                self.finish_stage(around)
            self.read_sinks(around)
        return self.remains()

    def begin_stage(self) -> None:
        """On a fresh second, with every source due."""
        time.sleep(1.05 - time.time() % 1)
        self.begun.append(int(time.time()))
        if (self.folder / "breakeven.db").exists():
            with self.database() as connection:
                connection.execute("UPDATE schedule SET next_due = 0")

    def start(self) -> subprocess.Popen[bytes]:
        """A run as cron would start it."""
        command = [sys.executable, "-m", "breakeven"]
        command += ["--config", str(self.folder / "breakeven.toml"), "run", "--once"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stderr=log)

    def run_and_kill(self, around: World, stage: int, took: tuple[float, float]) -> None:
        """Kill a run somewhere between its first request (or its start) and its end."""
        assert self.chance
        to_first, rest = took
        process = self.start()
        if stage:
            wait_for_request(around, process)
            time.sleep(self.chance.uniform(0, rest))
        else:
            time.sleep(self.chance.uniform(0.3 * to_first, to_first + rest))
        self.kills += process.poll() is None
        process.kill()
        process.wait()

    def finish_stage(self, around: World) -> None:
        """A run that nobody disturbs."""
        begun = time.monotonic()
        process = self.start()
        wait_for_request(around, process)
        first = time.monotonic() - begun
        assert 0 == process.wait(60), (self.folder / "log").read_text()
        self.durations.append((first, time.monotonic() - begun - first))

    def read_sinks(self, around: World) -> None:
        """The event ids of all that arrived."""
        posts = [json.dumps(post) for post in around.slack.messages]
        mails = [mail.message for mail in around.mail.mails]
        self.messages = [re.findall(r"(?:Event|same id) ([0-9a-f]{16})", one)[0] for one in posts]
        self.mails = [str(one["X-Breakeven-Event"]) for one in mails]
        self.repeats = sum("Possible repeat" in one for one in (*posts, *map(str, mails)))

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The database by another way than ours; committed at the end."""
        with closing(sqlite3.connect(self.folder / "breakeven.db")) as connection, connection:
            connection.row_factory = sqlite3.Row
            yield connection

    def stage(self, seconds: int | None) -> int | None:
        """The number of the stage that a time lies in; -1 before, None for none."""
        return None if seconds is None else bisect(self.begun, seconds) - 1

    def remains(self) -> dict[str, Any]:
        """All that is left, by kind, without what may differ."""
        with self.database() as connection:
            assert "ok" == connection.execute("PRAGMA integrity_check").fetchone()[0]
            left = {
                name: sorted(without_port(repr(row)) for row in self.rows(connection, query))
                for name, query in QUERIES.items()
            }
            left["ratios"] = sorted(self.last_ratios(connection).items())
            left["rules"] = list(self.rules(connection))
            left["events"] = list(self.events(connection))
        left["evidence"] = sorted(self.evidence())
        return left

    def rows(self, connection: sqlite3.Connection, query: str) -> Iterator[dict[str, Any]]:
        """A query's rows; columns that end in `_at`, `_from` or `_since` become stages."""
        for row in connection.execute(query):
            yield {
                name: self.stage(row[name]) if name.endswith(("_at", "_from", "_since")) else value
                for name, value in dict(row).items()
            }

    def last_ratios(self, connection: sqlite3.Connection) -> dict[tuple[Any, ...], Any]:
        """The ratio that held at the end of each stage."""
        query = "SELECT workload, at AS seen_at, low, point, high, health FROM ratio ORDER BY at"
        return {
            (row["workload"], row["seen_at"]): tuple(row.values())
            for row in self.rows(connection, query)
        }

    def rules(self, connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
        """Where the rules stand, and what was last told."""
        for row in connection.execute("SELECT rule, details FROM rule_state ORDER BY rule"):
            yield {"rule": row["rule"]} | self.without_times(row["details"])

    def events(self, connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
        """What happened, without ids."""
        query = "SELECT rule, workload, kind, state, at AS seen_at, details FROM event ORDER BY at"
        for row in self.rows(connection, query):
            yield row | {"details": self.without_times(row["details"])}

    def without_times(self, text: str) -> Any:
        """JSON with stages in the place of times, and without ports."""
        text = re.sub(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)",
            lambda found: f"stage {self.stage(int(datetime.fromisoformat(found[0]).timestamp()))}",
            text,
        )
        return json.loads(without_port(text))

    def evidence(self) -> Iterator[str]:
        """The hashes of all evidence, each of which is whole; nothing else but drafts is there."""
        store = EvidenceFolder(self.folder / "evidence")
        for path in store.root.rglob("*"):
            if path.is_file() and not path.name.startswith(".draft-"):
                digest = path.name.removesuffix(".gz")
                assert digest == sha256(store.get(digest)).hexdigest()
                yield digest


SERIES = """o.seller || ' ' || n.product || ' ' || o.meter || ' ' || o.unit || ' ' || o.currency
|| ' ' || o.service_tier || ' ' || o.region || ' ' || o.term || ' ' || o.more AS series"""
NAMES = "JOIN product_name n ON n.id = s.product_id JOIN tariff o ON o.id = s.tariff_id"

QUERIES = {
    "prices": f"""SELECT {SERIES}, p.amount, p.basis, p.valid_from, p.recorded_at, r.at AS run_at,
        t.name AS partition, q.text, q.printed_unit, q.location, f.form, e.sha256
        FROM price p JOIN series s ON s.id = p.series_id {NAMES} JOIN run r ON r.id = p.run_id
        JOIN partition t ON t.id = r.partition_id
        LEFT JOIN quoted q USING (series_id, valid_from, recorded_at)
        LEFT JOIN fetch f ON f.id = q.fetch_id LEFT JOIN evidence e ON e.id = f.evidence_id""",
    "current": f"""SELECT {SERIES}, c.amount, c.basis, c.valid_from, c.recorded_at,
        c.unseen_since, c.missing_since, t.name AS partition
        FROM current c JOIN series s ON s.id = c.series_id {NAMES}
        JOIN partition t ON t.id = c.partition_id""",
    "runs": """SELECT t.name AS partition, r.at AS run_at, r.outcome, r.reason, r.quotes,
        r.changes, r.held FROM run r JOIN partition t ON t.id = r.partition_id""",
    "fetches": """SELECT r.at AS run_at, f.form, f.at AS fetched_at, e.sha256, f.url
        FROM fetch f JOIN run r ON r.id = f.run_id JOIN evidence e ON e.id = f.evidence_id""",
    "reviews": f"""SELECT {SERIES}, v.reason, v.location, v.text, v.amount, v.printed_unit,
        v.curable, v.status, v.opened_at, v.seen_at, v.decided_at, t.name AS partition
        FROM review v LEFT JOIN series s ON s.id = v.series_id
        LEFT JOIN product_name n ON n.id = s.product_id LEFT JOIN tariff o ON o.id = s.tariff_id
        JOIN partition t ON t.id = v.partition_id""",
    "messages": """SELECT e.rule, e.kind, m.receiver, m.status, m.outstanding, m.lease_owner,
        m.created_at FROM message m JOIN event e ON e.id = m.event_id""",
    "schedule": """SELECT source, lease_owner, lease_until, failures, backoff_until,
        last_started AS started_at, last_finished AS finished_at FROM schedule""",
    "series": f"SELECT {SERIES} FROM series s {NAMES}",
    "products": "SELECT seller, product, facts, recorded_at FROM product",
}


def wait_for_request(around: World, process: subprocess.Popen[bytes]) -> None:
    """Until a page is asked for, or the process has ended."""
    before = len(around.site.answers)
    while len(around.site.answers) == before and process.poll() is None:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tale, Mapping[str, Any]]:
    """What an undisturbed life leaves."""
    tale = Tale(tmp_path_factory.mktemp("undisturbed"))
    return tale, tale.live([])


def without_port(text: str) -> str:
    """Every world has ports of its own."""
    return re.sub(r"127\.0\.0\.1:\d+", "site", text)


def test_the_undisturbed_life_has_all_that_matters(
    undisturbed: tuple[Tale, Mapping[str, Any]],
) -> None:
    """Prices written, held, confirmed, withdrawn; an event, its messages: else nothing is shown."""
    tale, left = undisturbed
    rows = " ".join([*left["reviews"], *left["messages"]])
    statuses = Counter(re.findall(r"'status': '(\w+)'", rows))

    assert ["fired"] == [event["kind"] for event in left["events"]]
    assert ["firing"] == [rule["state"]["state"] for rule in left["rules"]]
    assert {"delivered": 2, "closed": 3, "open": 2} == dict(statuses)
    assert 12 == len(left["runs"])
    assert 2 == sum("'amount': None" in price for price in left["prices"])
    assert (1, 1, 0) == (len(tale.messages), len(tale.mails), tale.repeats)


@pytest.mark.timeout(60 + 30 * KILLS)
def test_a_killed_life_leaves_the_same(
    undisturbed: tuple[Tale, Mapping[str, Any]], tmp_path: Path
) -> None:
    """Whenever it is killed: no price, review, ratio, event or message is lost, none is doubled."""
    expected_tale, expected = undisturbed
    chance, kills, number = random.Random(SEED), 0, 0
    while kills < KILLS:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        tale = Tale(folder, chance, KILLS - kills)
        found = tale.live(expected_tale.durations)
        kills += tale.kills

        for kind, rows in expected.items():
            assert rows == found[kind], f"{kind} in life {number}, BREAKEVEN_SEED={SEED}"
        with tale.database() as connection:
            ids = {row["id"] for row in connection.execute("SELECT id FROM event")}
        assert (ids, ids) == (set(tale.messages), set(tale.mails))
        doubled = len(tale.messages) + len(tale.mails) - 2 * len(ids)
        assert doubled <= min(tale.repeats, tale.kills)
