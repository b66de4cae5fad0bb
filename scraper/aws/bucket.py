"""Evidence in an S3 bucket, for machines whose disks don't outlive them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256

from pricebook.errors import ConfigError, EvidenceLost, SourceError
from scraper.aws.client import Client, in_plain_words
from scraper.aws.settings import SCHEME, AwsSettings
from scraper.evidence import FRESH, name_of, packed, unpacked

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Amazon S3 User Guide, "General purpose bucket naming rules"."""
_DEFAULT_REGION = "us-east-1"


class EvidenceBucket:
    """Evidence as objects `PREFIX/ab/abcdef....gz`, the files of an `EvidenceFolder`.

    `url` is `s3://bucket/prefix`; ConfigError when it can't be one. The account is found as by
    every AWS tool, or by `profile` of the settings; another endpoint by boto3's own
    AWS_ENDPOINT_URL_S3, for the settings' one is that of the Price List API.
    """

    def __init__(self, url: str, settings: AwsSettings) -> None:
        bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise ConfigError(f"[database]: evidence is {url!r}; write s3://bucket/prefix")
        self._bucket, self._prefix = bucket, prefix.strip("/")
        self._settings = settings

    def put(self, content: bytes) -> str:
        """Keep it, unless it is there already and whole; returns its SHA-256.

        EvidenceLost when S3 doesn't take it.
        """
        digest = sha256(content).hexdigest()
        if not self._holds(digest):
            key = self._key(digest)
            with self._in_plain_words(key):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=packed(content))
        return digest

    def get(self, digest: str) -> bytes:
        """The content with that SHA-256; EvidenceLost when it can't be had whole."""
        key = self._key(digest)
        with self._in_plain_words(key):
            stored = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return unpacked(stored, digest, self._place(key))

    def drop(self, digest: str) -> bool:
        """Forget it, unless it was put within `FRESH`: then somebody may be about to need it."""
        key = self._key(digest)
        try:
            if self._is_fresh(key):
                return False
        except EvidenceLost:
            return False
        with self._in_plain_words(key):
            self._client.delete_object(Bucket=self._bucket, Key=key)
        return True

    def _holds(self, digest: str) -> bool:
        # Read whole: a damaged object is replaced when the same answer comes again.
        try:
            self.get(digest)
            return self._is_fresh(self._key(digest))
        except EvidenceLost:
            return False

    def _is_fresh(self, key: str) -> bool:
        with self._in_plain_words(key):
            put_at = self._client.head_object(Bucket=self._bucket, Key=key)["LastModified"]
        return bool(datetime.now(UTC) - put_at < FRESH)

    def _key(self, digest: str) -> str:
        return "/".join(part for part in (self._prefix, name_of(digest)) if part)

    def _place(self, key: str) -> str:
        return f"{SCHEME}{self._bucket}/{key}"

    @cached_property
    def _client(self) -> Client:
        import boto3
        from botocore.config import Config

        session = boto3.Session(profile_name=self._settings.profile)
        return session.client(
            "s3",
            # Any region serves: S3 says where the bucket is, and boto3 follows.
            region_name=session.region_name or _DEFAULT_REGION,
            config=Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard"}),
        )

    @contextmanager
    def _in_plain_words(self, key: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        try:
            with in_plain_words(self._place(key)):
                yield
        except SourceError as error:
            cause = error.__cause__
            code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else ""
            raise EvidenceLost(self._sentences(key).get(code, str(error))) from None

    def _sentences(self, key: str) -> dict[str, str]:
        return {
            "NoSuchKey": f"{self._place(key)} is missing: restore it from a backup",
            "NoSuchBucket": f"there is no bucket {self._bucket}; mend [database] evidence",
        }
