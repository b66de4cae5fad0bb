"""A server on this machine that speaks OpenAI's API and streams tokens at a known rate."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Behaviour:
    """How the server answers; `script` takes over the whole answer.

    `prompt_seconds` until the first token, `token_seconds` for each further one. `per_chunk` tokens
    come together. A prompt has `template` tokens and `tokens_a_word`. `fails` of every so many
    requests are answered 503. What was asked and sent is kept: of each answer when its request came
    and when each of its tokens went out, in seconds of the monotonic clock.
    """

    prompt_seconds: float = 0.02
    token_seconds: float = 0.005
    per_chunk: int = 1
    template: int = 10
    tokens_a_word: int = 1
    counts: bool = True
    key: str = ""
    fails: int = 0
    refuses_ignore_eos: bool = False
    script: Callable[[BaseHTTPRequestHandler, dict[str, Any]], None] | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[float, list[float]]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        behaviour = self.behaviour
        behaviour.asked.append(asked)
        behaviour.headers.append(dict(self.headers))
        if behaviour.script:
            behaviour.script(self, asked)
        elif behaviour.key and self.headers["Authorization"] != f"Bearer {behaviour.key}":
            said = f"bad key {self.headers['Authorization']}"
            send_json(self, 401, {"error": {"message": said}})
        elif asked["model"] != "llama":
            said = f"The model `{asked['model']}` does not exist."
            send_json(self, 404, {"error": {"message": said}})
        elif behaviour.refuses_ignore_eos and "ignore_eos" in asked:
            send_json(self, 400, {"error": {"message": "Unrecognized argument: ignore_eos"}})
        elif behaviour.fails and len(behaviour.asked) % behaviour.fails == 0:
            send_json(self, 503, {"error": {"message": "overloaded"}})
        else:
            self._stream(asked)

    def _stream(self, asked: dict[str, Any]) -> None:
        behaviour = self.behaviour
        came = time.monotonic()
        sent: list[float] = []
        behaviour.answers.append((came, sent))
        begin_stream(self)
        chat = "messages" in asked
        prompt = asked["messages"][0]["content"] if chat else asked["prompt"]
        due = came + behaviour.prompt_seconds
        if chat:
            send_event(self, {"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        for number in range(0, asked["max_tokens"], behaviour.per_chunk):
            time.sleep(max(due + number * behaviour.token_seconds - time.monotonic(), 0))
            text = {"delta": {"content": "word "}} if chat else {"text": "word "}
            send_event(self, {"choices": [text], "usage": None})
            sent += [time.monotonic()] * behaviour.per_chunk
        send_event(self, {"choices": [{"delta": {}, "finish_reason": "length"}]})
        if behaviour.counts:
            words = behaviour.template + behaviour.tokens_a_word * len(prompt.split())
            counts = {"prompt_tokens": words, "completion_tokens": asked["max_tokens"]}
            send_event(self, {"choices": [], "usage": counts})
        send_line(self, "data: [DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        pass


def send_json(handler: BaseHTTPRequestHandler, status: int, document: object) -> None:
    """A whole answer at once."""
    body = json.dumps(document).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def begin_stream(handler: BaseHTTPRequestHandler, form: str = "text/event-stream") -> None:
    """The head of an answer in chunks."""
    handler.send_response(200)
    handler.send_header("Content-Type", form)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()


def send_line(handler: BaseHTTPRequestHandler, line: str) -> None:
    """One line and a blank one, as a chunk."""
    data = f"{line}\n\n".encode()
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def send_event(handler: BaseHTTPRequestHandler, event: object) -> None:
    """One event of a stream."""
    send_line(handler, f"data: {json.dumps(event)}")


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """The address of a server that behaves so."""
    handler = type("Handler", (_Handler,), {"behaviour": behaviour})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
