"""What the kernel does with what it cannot use: one clear line, and on it goes."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.session import Session

from tests.notebook.front import PATIENCE, Front

Spoil = Callable[[list[bytes]], list[bytes]]

# An execute_request's frames: delimiter, signature, header, parent, metadata, content.
BAD_FRAMES: dict[str, Spoil] = {
    "unsigned": lambda frames: [frames[0], b"", *frames[2:]],
    "forged": lambda frames: [frames[0], b"0" * 64, *frames[2:]],
    "changed": lambda frames: [*frames[:5], frames[5].replace(b"never", b"cruel")],
    "cut short": lambda frames: frames[:4],
    "without a delimiter": lambda frames: frames[1:],
    "empty": lambda _: [b""],
    "garbage": lambda _: [b"\xff\xfe", b"<IDS|MSG>", b"\x00"],
}


@contextmanager
def connected(front: Front, channel: str) -> Iterator[zmq.Socket[bytes]]:
    """A bare socket of a client on a channel of the kernel."""
    info: dict[str, Any] = {**front.manager.get_connection_info()}
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, PATIENCE * 1000)
        dealer.connect(f"tcp://{info['ip']}:{info[f'{channel}_port']}")
        yield dealer


def session_of(front: Front) -> Session:
    return Session(key=front.client.session.key)


@pytest.mark.parametrize("channel", ["shell", "control"])
@pytest.mark.parametrize("spoil", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_a_bad_message_costs_one_line_and_the_next_is_answered(
    shared: Front, channel: str, spoil: Spoil
) -> None:
    session = session_of(shared)
    request = session.msg("kernel_info_request", {"code": "never"})
    with connected(shared, channel) as dealer:
        dealer.send_multipart(spoil(session.serialize(request)))
        session.send(dealer, "kernel_info_request", {})
        assert dealer.poll(PATIENCE * 1000)
        _, reply = session.feed_identities(dealer.recv_multipart())
        assert session.deserialize(reply)["msg_type"] == "kernel_info_reply"
    assert shared.run("6 * 7").result == "42"
    (line,) = shared.complaints()
    assert channel in line


@pytest.mark.parametrize("part", range(2, 6), ids=["header", "parent header", "metadata", "content"])
def test_a_signed_message_that_is_not_json_costs_one_line(shared: Front, part: int) -> None:
    session = session_of(shared)
    frames = session.serialize(session.msg("execute_request", {"code": "1"}))
    frames[part] = b"{not json"
    frames[1] = session.sign(frames[2:6])
    with connected(shared, "shell") as dealer:
        dealer.send_multipart(frames)
        session.send(dealer, "kernel_info_request", {})
        assert dealer.poll(PATIENCE * 1000)
    assert shared.run("6 * 7").result == "42"
    (line,) = shared.complaints()
    assert "JSON" in line


def test_a_request_that_is_sent_twice_runs_once(shared: Front) -> None:
    session = session_of(shared)
    request = session.msg("execute_request", {"code": "count = globals().get('count', 0) + 1"})
    frames = session.serialize(request)
    with connected(shared, "shell") as dealer:
        dealer.send_multipart(frames)
        dealer.send_multipart(frames)
        session.send(dealer, "kernel_info_request", {})
        assert dealer.poll(PATIENCE * 1000)
    assert shared.run("count").result == "1"


def test_nothing_is_lost_between_bad_messages(shared: Front) -> None:
    session = session_of(shared)
    with connected(shared, "shell") as dealer:
        for at in range(100):
            dealer.send_multipart([b"<IDS|MSG>", b"forged", b"{}", b"{}", b"{}", b"{}"])
            session.send(dealer, "execute_request", {"code": f"print({at})"})
        texts = [
            shared.published(lambda message: message["msg_type"] == "stream")["content"]["text"]
            for _ in range(100)
        ]
    assert texts == [f"{at}\n" for at in range(100)]


def refused(file: Path) -> str:
    """The one line with which the kernel refuses to start."""
    process = subprocess.run(
        [sys.executable, "-m", "cellheap", "-f", str(file)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert process.returncode == 1
    (line,) = process.stderr.splitlines()
    assert line.startswith("cellheap: ")
    return line


BAD_FILES: dict[str, Any] = {
    "not json": "{",
    "a list": "[]",
    "a port that is a word": {"shell_port": "high"},
    "a port out of range": {"hb_port": 70000},
    "an unknown transport": {"transport": "pigeon"},
    "an unknown signature": {"signature_scheme": "hmac-md5", "key": "k"},
    "encryption": {"curve_publickey": "k", "curve_secretkey": "k"},
    "an address that is not ours": {"ip": "203.0.113.7"},
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_connection_file_is_refused_in_one_line(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "connection.json"
    base = {"transport": "tcp", "ip": "127.0.0.1", "key": "k", "signature_scheme": "hmac-sha256"}
    file.write_text(content if isinstance(content, str) else json.dumps(base | content))
    refused(file)


def test_a_connection_file_that_is_a_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    assert str(tmp_path) in refused(tmp_path)


def test_an_occupied_port_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "connection.json"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file.write_text(json.dumps({"transport": "tcp", "ip": "127.0.0.1", "key": "k", "iopub_port": port}))
        assert str(port) in refused(file)


def test_ports_and_key_can_be_given_on_the_command_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = tmp_path / "mine.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "cellheap", f"--f={file}", f"--shell={port}", "--Session.key=secret"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert any("--existing" in line for line in process.stdout)
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        assert (client.shell_port, client.session.key) == (port, b"secret")
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)
        client.stop_channels()
    finally:
        process.kill()
        process.communicate()
