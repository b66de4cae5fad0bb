"""One look at a price list that lies on disk, as a process: file to book, by breakeven's own parts.

`python -m benchmarks.price_list_ingest FILE DATABASE DAY [same]` prints what was written as JSON;
`same`: the version that was read before, so the file isn't opened.
"""

from __future__ import annotations

import atexit
import gc
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pricebook.book import partition_id
from pricebook.bulk import remembered
from pricebook.schema import loading, open_book
from scraper.aws.compared_list import compare_list
from scraper.aws.list_entry import TakenList, enter_list
from scraper.settings import GateSettings

REGION = "us-east-1"
PARTITION = f"aws-ec2/{REGION}"


def main() -> None:
    """Look once."""
    atexit.register(gc.freeze)  # as breakeven.cli.main does
    file, url, day, *same = sys.argv[1:]
    engine = open_book(url)
    with engine.begin() as connection:
        partition = partition_id(connection, PARTITION)
        last = remembered(connection, partition, with_memory=not same)
    at = datetime.fromisoformat(day)
    known = last and last.run_id
    taken = TakenList(PARTITION, REGION, last.version if same and last else day, at, known)
    if not same:
        compared = compare_list(chunks(Path(file)), REGION, last and last.memory)
        taken = TakenList(PARTITION, REGION, day, at, known, None, compared)
    del last
    with loading(engine) as connection:
        entered = enter_list(connection, partition, taken, GateSettings())
    engine.dispose()
    counts = entered.counts
    found_words = {"new": counts.new, "changed": counts.changed, "withdrawn": counts.withdrawn}
    words = {"outcome": entered.outcome, "rows": entered.quotes, **found_words}
    sys.stdout.write(json.dumps(words) + "\n")


def chunks(file: Path) -> Iterator[bytes]:
    """A file as it comes from a server."""
    with file.open("rb") as source:
        while chunk := source.read(1 << 16):
            yield chunk


if __name__ == "__main__":
    main()
