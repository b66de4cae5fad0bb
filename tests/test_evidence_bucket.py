"""Evidence in S3: the same promises as in a folder, asked of moto's S3."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from breakeven.settings import Settings
from pricebook.config import Table
from pricebook.errors import ConfigError, EvidenceLost
from scraper.aws.bucket import EvidenceBucket
from scraper.aws.settings import AwsSettings
from scraper.evidence import EvidenceFolder


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto in place of S3, with one bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="evidence")
        yield client


@pytest.fixture
def store(s3: Any) -> EvidenceBucket:
    """A store in that bucket."""
    return EvidenceBucket("s3://evidence/breakeven", AwsSettings())


def objects(s3: Any) -> dict[str, bytes]:
    """Every object of the bucket by its key."""
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="evidence").get("Contents", [])]
    return {key: s3.get_object(Bucket="evidence", Key=key)["Body"].read() for key in keys}


@pytest.mark.parametrize(
    "content", [b"", b"$5", bytes(range(256)) * 4_000], ids=["empty", "short", "long"]
)
def test_what_was_put_is_got(store: EvidenceBucket, content: bytes) -> None:
    """The content comes back byte by byte under the SHA-256 of its bytes."""
    digest = store.put(content)

    assert sha256(content).hexdigest() == digest
    assert content == store.get(digest)


@pytest.mark.parametrize(
    ("url", "prefix"),
    [("s3://evidence", ""), ("s3://evidence/", ""), ("s3://evidence/a/b/", "a/b/")],
)
def test_objects_are_the_files_of_a_folder(s3: Any, tmp_path: Path, url: str, prefix: str) -> None:
    """Folder and bucket can be copied into each other, below any prefix."""
    folder = EvidenceFolder(tmp_path)
    for store in (folder, EvidenceBucket(url, AwsSettings())):
        store.put(b"$5")

    files = (path for path in tmp_path.rglob("*") if path.is_file())
    as_objects = {
        f"{prefix}{path.relative_to(tmp_path).as_posix()}": path.read_bytes() for path in files
    }
    assert as_objects == objects(s3)


def test_putting_twice_writes_once(s3: Any, store: EvidenceBucket) -> None:
    """An answer that is there already is left alone."""
    first = store.put(b"$5")
    (key,) = objects(s3)
    written = s3.head_object(Bucket="evidence", Key=key)["LastModified"]
    s3.put_bucket_versioning(Bucket="evidence", VersioningConfiguration={"Status": "Enabled"})

    assert first == store.put(b"$5")
    (version,) = s3.list_object_versions(Bucket="evidence")["Versions"]
    assert ("null", written) == (version["VersionId"], version["LastModified"])


def test_what_is_missing_is_named(store: EvidenceBucket) -> None:
    """A lost answer is an error with its address and what to do."""
    digest = sha256(b"never put").hexdigest()
    place = f"s3://evidence/breakeven/{digest[:2]}/{digest}.gz is missing: restore it"
    with pytest.raises(EvidenceLost, match=place):
        store.get(digest)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"not gzip", "can't be read"),
        (gzip.compress(b"$5", mtime=0)[:-6], "can't be read"),
        (gzip.compress(b"$50", mtime=0), "is not what was stored"),
    ],
)
def test_what_is_damaged_is_never_given_out(
    s3: Any, store: EvidenceBucket, damaged: bytes, reason: str
) -> None:
    """The hash is checked at each reading, and the same answer mends the object."""
    digest = store.put(b"$5")
    (key,) = objects(s3)
    s3.put_object(Bucket="evidence", Key=key, Body=damaged)

    with pytest.raises(EvidenceLost, match=reason):
        store.get(digest)
    store.put(b"$5")
    assert b"$5" == store.get(digest)


def test_what_is_no_hash_is_no_key(store: EvidenceBucket) -> None:
    """A hash from elsewhere can't lead out of the prefix."""
    with pytest.raises(EvidenceLost, match="is not the SHA-256 of anything stored"):
        store.get("../secret")


def test_a_bucket_that_is_missing_is_told(s3: Any) -> None:
    """With the setting to mend, for reading and for writing."""
    store = EvidenceBucket("s3://no-such-bucket", AwsSettings())
    for ask in (lambda: store.put(b"$5"), lambda: store.get("0" * 64)):
        with pytest.raises(EvidenceLost, match=r"no bucket no-such-bucket; mend \[database\] evid"):
            ask()


def test_without_an_account_nothing_is_kept_and_one_sentence_says_so() -> None:
    """The sentence names the object and how to give credentials."""
    with pytest.raises(EvidenceLost, match="^s3://evidence/.*no AWS credentials .*AWS_ACCESS_KEY"):
        EvidenceBucket("s3://evidence", AwsSettings()).put(b"$5")


def test_a_profile_that_doesnt_exist_is_told() -> None:
    """`profile` of [aws] is used."""
    with pytest.raises(EvidenceLost, match="nobody"):
        EvidenceBucket("s3://evidence", AwsSettings(profile="nobody")).put(b"$5")


def test_another_endpoint_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_ENDPOINT_URL_S3 is asked, and one that doesn't answer is one sentence."""
    for name, value in {
        "ACCESS_KEY_ID": "test",
        "SECRET_ACCESS_KEY": "test",
        "ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    store = EvidenceBucket("s3://evidence", AwsSettings(endpoint_url="https://prices.example"))
    with pytest.raises(EvidenceLost, match="AWS wasn't reached: Could not connect.*127.0.0.1:1"):
        store.get("0" * 64)


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("GetObject", lambda store: store.get("0" * 64)),
        ("PutObject", lambda store: store.put(b"$5")),
    ],
    ids=["get", "put"],
)
def test_what_the_account_may_not_do_is_told(
    store: EvidenceBucket,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    ask: Callable[[EvidenceBucket], object],
) -> None:
    """The sentence names the permission that is missing."""

    def forbidden(client: Any, name: str, question: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, name)

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", forbidden)
    with pytest.raises(EvidenceLost, match=f"may not call {operation}; allow it with an IAM pol"):
        ask(store)


def test_the_setting_chooses_the_store() -> None:
    """A path is a folder, an s3:// address a bucket; what is no bucket is refused at once."""
    chosen = [
        type(Settings.read(Table({"database": {"evidence": place}}, "x")).evidence_store())
        for place in ("evidence", "s3://evidence/breakeven")
    ]

    assert [EvidenceFolder, EvidenceBucket] == chosen
    with pytest.raises(ConfigError, match="evidence is 's3://Bad_Bucket/x'; write s3://bucket/pre"):
        Settings.read(Table({"database": {"evidence": "s3://Bad_Bucket/x"}}, "x"))
