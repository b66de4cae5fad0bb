"""AWS: an SNS topic, and e-mail by SES instead of a mail server.

The account is found as by every AWS tool; it needs sns:Publish or ses:SendRawEmail. Limits:
docs.aws.amazon.com/sns/latest/api/API_Publish.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comparator.channels import Receipt, email, wording
from comparator.notice import Notice
from pricebook.errors import DeliveryFailed

TOPIC = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")

_SUBJECT, _TEXT = 100, 60_000
"""Characters: a subject must be shorter than 100, a message at most 256 KiB."""

_THROTTLED = frozenset({"Throttling", "ThrottlingException", "Throttled", "TooManyRequests"})
_STEP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Topic:
    """An SNS topic by its ARN, which names the region."""

    arn: str

    def deliver(self, notice: Notice, only: Sequence[str] | None) -> Receipt:
        """Publish it."""
        return publish(self, notice)

    def ready(self) -> str:
        """Whether the account may is known when something is sent."""
        return f"SNS topic {self.arn}; the account is asked when something is sent"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes to whom through SES, in which region."""

    region: str
    sender: str
    to: tuple[str, ...]

    def deliver(self, notice: Notice, only: Sequence[str] | None) -> Receipt:
        """Mail it."""
        return mail(self, notice)

    def ready(self) -> str:
        """Whether the account may is known when something is sent."""
        return f"mail to {', '.join(self.to)} by SES in {self.region}"


def publish(topic: Topic, notice: Notice) -> Receipt:
    """One message on the topic. A FIFO topic drops a second copy within five minutes itself."""
    match = TOPIC.fullmatch(topic.arn)
    region, fifo = (match[1], match[2]) if match else ("", None)
    request: dict[str, Any] = {
        "TopicArn": topic.arn,
        "Subject": subject(wording.title(notice)),
        "Message": email.text(notice)[:_TEXT],
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value}
            for name, value in _attributes(notice).items()
        },
    }
    if fifo:
        request |= {"MessageGroupId": "breakeven", "MessageDeduplicationId": notice.id}
    said = _asked(lambda: _client("sns", region).publish(**request))
    return Receipt("200", str(said.get("MessageId", "")))


def mail(box: Sender, notice: Notice) -> Receipt:
    """The same mail that a mail server would get."""
    message = email.render(notice, box.sender, box.to)
    request = {
        "Source": box.sender,
        "Destinations": list(box.to),
        "RawMessage": {"Data": message.as_bytes()},
    }
    said = _asked(lambda: _client("ses", box.region).send_raw_email(**request))
    return Receipt("200", str(said.get("MessageId", "")), thread=email.thread_of(message))


def _client(service: str, region: str) -> Any:
    """One try: when to try again is the outbox's to say."""
    import boto3
    from botocore.config import Config

    settings = Config(
        connect_timeout=_STEP_SECONDS,
        read_timeout=_STEP_SECONDS,
        retries={"total_max_attempts": 1},
    )
    return boto3.client(service, region_name=region, config=settings)


def _asked(call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectTimeoutError,
        EndpointConnectionError,
        HTTPClientError,
    )

    try:
        return call()
    except ClientError as error:
        raise _refusal(error.response) from None
    except (EndpointConnectionError, ConnectTimeoutError):
        raise DeliveryFailed("AWS can't be reached") from None
    except HTTPClientError as error:
        raise DeliveryFailed(
            f"AWS gave no answer: {type(error).__name__}", ambiguous=True
        ) from None
    except BotoCoreError as error:
        raise DeliveryFailed(f"AWS wasn't asked: {wording.clean(str(error), 200)}") from None


def _refusal(response: Mapping[str, Any]) -> DeliveryFailed:
    told = response.get("Error", {})
    code, status = str(told.get("Code", "")), response["ResponseMetadata"]["HTTPStatusCode"]
    throttled = code in _THROTTLED or status == 429
    words = wording.clean(str(told.get("Message", "")), 200)
    return DeliveryFailed(
        f"AWS answered {code}: {words}",
        permanent=400 <= status < 500 and not throttled,
        ambiguous=status >= 500,
        code=code,
    )


def _attributes(notice: Notice) -> dict[str, str]:
    """What a subscription's filter can go by."""
    events = notice.events
    return {
        "event": notice.id,
        "kind": wording.clean(events[-1].kind, 100),
        "severity": "critical" if any(one.severity == "critical" for one in events) else "warn",
    }


def subject(text: str) -> str:
    """SNS refuses subjects of other characters."""
    plain = text.encode("ascii", "replace").decode()
    return wording.clean(plain, _SUBJECT - 3).replace("…", "...")
