"""Who is told: what a `[[receiver]]` may say, and what it may not."""

import tomllib
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from breakeven.demo.sinks import SlackSink
from comparator.channels.email import Mailbox
from comparator.channels.slack import Webhook
from comparator.event import Event
from comparator.notice import Notice, Story
from comparator.receivers import Receiver, deliver, read_receivers
from pricebook.config import Secret, Table
from pricebook.errors import ConfigError

SLACK = """
[[receiver]]
name = "ml-slack"
slack = { webhook = { env = "SLACK_WEBHOOK_URL" } }
"""

MAIL = """
[[receiver]]
name = "finops-mail"
[receiver.email]
smtp = "smtp.example.com"
from = "alerts@example.com"
to = ["finops@example.com"]
"""


def receivers(toml: str) -> dict[str, Receiver]:
    """The receivers of a configuration."""
    return read_receivers(Table(tomllib.loads(toml, parse_float=Decimal), "top level"))


def refusal(toml: str) -> str:
    """The sentence with which a configuration is refused."""
    with pytest.raises(ConfigError) as caught:
        receivers(toml)
    return str(caught.value)


def test_a_slack_receiver_names_the_place_of_its_secret() -> None:
    """The webhook's address is read when it is needed, never kept."""
    where = '[[receiver]] "ml-slack" slack webhook'
    webhook = Webhook(Secret(where, env="SLACK_WEBHOOK_URL"))

    assert receivers(SLACK) == {"ml-slack": Receiver("ml-slack", webhook)}


def test_a_mail_receiver_is_encrypted_unless_it_says_otherwise() -> None:
    """Without `security` it is STARTTLS on port 587, and never whatever the server offers."""
    expected = Mailbox(
        where='[[receiver]] "finops-mail" email',
        host="smtp.example.com",
        port=587,
        security="starttls",
        sender="alerts@example.com",
        to=("finops@example.com",),
        user="alerts@example.com",
    )

    assert receivers(MAIL)["finops-mail"].channel == expected


@pytest.mark.parametrize(("security", "port"), [("tls", 465), ("starttls", 587), ("none", 25)])
def test_the_port_follows_from_the_security(security: str, port: int) -> None:
    """Each security has its usual port."""
    channel = receivers(MAIL + f'security = "{security}"')["finops-mail"].channel

    assert isinstance(channel, Mailbox)
    assert channel.port == port


def test_all_settings_of_a_mail_receiver_are_read() -> None:
    """User, password and an authority of one's own, for a company's relay."""
    more = 'user = "bot"\nport = 2525\nca_file = "/etc/ca.pem"\npassword = { file = "/run/pw" }'
    channel = receivers(MAIL + more)["finops-mail"].channel

    assert isinstance(channel, Mailbox)
    assert (channel.user, channel.port, channel.ca_file) == ("bot", 2525, Path("/etc/ca.pem"))
    assert channel.password == Secret(
        '[[receiver]] "finops-mail" email password', file=Path("/run/pw")
    )


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (
            '[[receiver]]\nname = "x"',
            "give exactly one way to reach it out of slack, email, webhook",
        ),
        (
            SLACK + 'email = { smtp = "s" }',
            "give exactly one way to reach it out of slack, email, webhook",
        ),
        (SLACK + 'channel = "#ml"', "channel is not a setting"),
        (SLACK.replace("env =", "url ="), "webhook: url is not a setting"),
        (SLACK.replace("webhook", "webhok"), "webhok is not a setting (did you mean webhook?)"),
        (SLACK + SLACK, "name is already that of another receiver"),
        ('[[receiver]]\nslack = { webhook = { env = "A" } }', "name is missing"),
        (MAIL + 'security = "auto"', "security is 'auto'"),
        (MAIL + 'ssl = "yes"', "ssl is not a setting"),
        (MAIL.replace('["finops@example.com"]', "[]"), "to is empty"),
        (MAIL.replace("finops@example.com", "finops"), "'finops' is not a mail address"),
        (MAIL.replace("alerts@example.com", "a@b\\r\\nBcc: c@d"), "is not a mail address"),
        (MAIL.replace('from = "alerts@example.com"', ""), "from is missing"),
        (MAIL + 'security = "none"\npassword = { env = "PW" }', "the password in clear"),
        (MAIL + 'user = "bot"', "user is given without a password"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(toml: str, words: str) -> None:
    """Missing, doubled, unknown and unsafe settings are named with their place."""
    assert words in refusal(toml)
    assert refusal(toml).startswith("[[receiver]]")


def test_a_password_may_go_to_a_relay_on_this_machine() -> None:
    """Nobody listens on the way to localhost."""
    toml = MAIL.replace("smtp.example.com", "127.0.0.1")
    channel = receivers(toml + 'security = "none"\npassword = { env = "PW" }')[
        "finops-mail"
    ].channel

    assert isinstance(channel, Mailbox)
    assert channel.security == "none"


def test_a_receiver_without_its_secret_says_which_is_missing(
    monkeypatch: pytest.MonkeyPatch, noon: datetime
) -> None:
    """The sentence names the place, so that somebody can mend it."""
    monkeypatch.delenv("SLACK_WEBHOOK_URL", raising=False)
    event = Event("e1", "test", "test", "ok", noon)

    with pytest.raises(ConfigError, match="environment variable SLACK_WEBHOOK_URL is empty"):
        deliver(receivers(SLACK)["ml-slack"], Notice((Story((event,)),)))


def test_a_message_goes_the_way_that_the_receiver_names(
    monkeypatch: pytest.MonkeyPatch, noon: datetime
) -> None:
    """A Slack receiver's event arrives at its webhook."""
    with SlackSink() as sink:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", sink.url)
        event = Event("e1", "hello", "test", "ok", noon)
        deliver(receivers(SLACK)["ml-slack"], Notice((Story((event,)),)))

    assert [message["text"] for message in sink.messages] == ["Test: hello"]
