"""How AWS is asked: patient clients within AWS's quota, and its errors in plain words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from pricebook.errors import (
    ConfigError,
    CredentialsMissing,
    DocumentRefused,
    FetchFailed,
    SourceError,
)
from scraper.aws.settings import AwsSettings

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.exceptions import ClientError

Client = Any
"""A boto3 client; boto3 makes its methods at run time and has no types."""

_API_REGION = "us-east-1"
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_RETRIES = 8


class TokenBucket:
    """Lets a burst of `capacity` calls through, then `per_second`; safe between threads."""

    def __init__(
        self,
        capacity: float,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._capacity, self._per_second = capacity, per_second
        self._clock, self._sleep = clock, sleep
        self._tokens, self._at = capacity, clock()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait for a token; whoever waits has booked the next one, so waiters keep their order."""
        with self._lock:
            now = self._clock()
            earned = (now - self._at) * self._per_second
            self._tokens, self._at = min(self._capacity, self._tokens + earned) - 1, now
            debt = -self._tokens
        if debt > 0:
            self._sleep(debt / self._per_second)


def pricing_client(
    settings: AwsSettings, *, retries: int = _RETRIES, read_seconds: float = _READ_SECONDS
) -> Client:
    """A client of the Price List API; share one between regions, for the quota is the account's.

    AWS allows 10 calls at once and 5 a second after that (Billing User Guide, `using-pelong`);
    every try takes a token. The prices of all regions are asked for in us-east-1.
    """
    config = _config(retries, read_seconds)
    client = _client("pricing", _API_REGION, settings, config, settings.endpoint_url)
    bucket = TokenBucket(10, 5)
    client.meta.events.register("before-send.pricing", lambda **_: bucket.take())
    return client


def check_access(settings: AwsSettings) -> str:
    """Ask AWS one small question; raises CredentialsMissing or FetchFailed with what to do."""
    try:
        _ask_one_question(settings)
    except CredentialsMissing:
        if not settings.may_read_files:
            raise
        return "there are none; AWS's public price list files are read instead"
    return "the Price List API answers"


def _ask_one_question(settings: AwsSettings) -> None:
    with (
        in_plain_words("aws pricing"),
        closing(pricing_client(settings, retries=1, read_seconds=10)) as client,
    ):
        client.describe_services(ServiceCode="AmazonEC2", MaxResults=1)


def ec2_client(settings: AwsSettings, region: str) -> Client:
    """A client of EC2 in that region."""
    return _client("ec2", region, settings, _config(_RETRIES, _READ_SECONDS))


def savings_client(settings: AwsSettings) -> Client:
    """A client of Savings Plans, one service for all regions."""
    return _client("savingsplans", _API_REGION, settings, _config(_RETRIES, _READ_SECONDS))


def _config(retries: int, read_seconds: float) -> Config:
    from botocore.config import Config

    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=read_seconds,
        # Under throttling this mode had the fewest refused calls, and "legacy" may block minutes.
        retries={"mode": "adaptive", "max_attempts": retries},
    )


def _client(
    service: str,
    region: str,
    settings: AwsSettings,
    config: Config,
    endpoint_url: str | None = None,
) -> Client:
    import boto3

    with in_plain_words(f"aws {service}"):
        session = boto3.Session(profile_name=settings.profile, region_name=region)
        try:
            return session.client(service, config=config, endpoint_url=endpoint_url)
        except ValueError as error:
            raise ConfigError(f"[aws]: {error}") from error


@contextmanager
def in_plain_words(source: str) -> Iterator[None]:
    """Turn what boto3 raises inside into CredentialsMissing, FetchFailed or DocumentRefused."""
    from botocore import exceptions, parsers

    without_account = (
        *(exceptions.NoCredentialsError, exceptions.PartialCredentialsError),
        *(exceptions.CredentialRetrievalError, exceptions.ProfileNotFound),
        *(exceptions.SSOError, exceptions.TokenRetrievalError),
    )
    unreadable = (
        *(parsers.ResponseParserError, exceptions.PaginationError),
        *(exceptions.IncompleteReadError, exceptions.ResponseStreamingError),
    )
    try:
        yield
    except without_account as error:
        raise CredentialsMissing(_no_credentials(source, error)) from error
    except exceptions.ClientError as error:
        raise _answered_with_error(source, error) from error
    except unreadable as error:
        raise DocumentRefused(f"{source}: AWS's answer can't be read: {_first(error)}") from error
    except exceptions.BotoCoreError as error:
        raise FetchFailed(f"{source}: AWS wasn't reached: {_first(error)}") from error


def _no_credentials(source: str, error: Exception) -> str:
    return (
        f"{source}: no AWS credentials ({_first(error)}); set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, or `profile` under [aws]"
    )


_THROTTLED = {"Throttling", "ThrottlingException", "RequestLimitExceeded"}
_FORBIDDEN = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_REJECTED = {
    *("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"),
    *("ExpiredToken", "ExpiredTokenException", "MissingAuthenticationTokenException"),
    *("InvalidSignatureException", "SignatureDoesNotMatch"),
}


def _answered_with_error(source: str, error: ClientError) -> SourceError:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    operation = error.operation_name
    if code in _THROTTLED:
        return FetchFailed(f"{source}: AWS still throttles {operation} after all retries")
    if code in _FORBIDDEN:
        return FetchFailed(
            f"{source}: the AWS account may not call {operation}; allow it with an IAM policy"
        )
    if code in _REJECTED:
        return FetchFailed(
            f"{source}: AWS doesn't take the credentials ({code}: {message}); renew them"
        )
    return FetchFailed(f"{source}: AWS answered {operation} with {code}: {message}")


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
