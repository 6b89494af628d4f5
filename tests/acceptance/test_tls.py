"""TLS and tokens on the real process."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
import trustme
from cryptography.hazmat.primitives import serialization as pem

from plays_service.tls import Certificate
from tests.acceptance.conftest import Server, StartServer, command, run
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.waiting import eventually

Files = dict[str, Path]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client of our authority uses."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def write(authority: trustme.CA, tmp_path: Path) -> Callable[[], Files]:
    """Writes a new certificate and its key; the settings that name them."""

    def write() -> Files:
        issued = authority.issue_cert("127.0.0.1")
        files = {"tls_cert": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}
        issued.private_key_pem.write_to_path(files["tls_key"])
        for number, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(files["tls_cert"], append=number > 0)
        return files

    return write


def https(server: Server) -> str:
    return f"https://127.0.0.1:{server.port}"


async def serial_of(server: Server, context: ssl.SSLContext) -> object:
    """The serial number of the certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    certificate = writer.get_extra_info("peercert")
    writer.close()
    await writer.wait_closed()
    return certificate["serialNumber"]


async def test_the_example_over_tls_with_a_token(
    start_server: StartServer, write: Callable[[], Files], trusting: ssl.SSLContext, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    code, token, told = await run(*command("token", "ann", file=tokens))
    assert (code, told) == (0, "")
    token = token.strip()
    server = await start_server(tokens_file=tokens, **write())
    connector = aiohttp.TCPConnector(ssl=trusting)
    async with aiohttp.ClientSession(https(server), connector=connector) as http:
        async with http.put("/process_csv", data=EXAMPLE) as answer:
            assert answer.status == 401
        headers = {"Authorization": f"Bearer {token}"}
        async with http.post("/session", headers=headers) as answer:
            assert answer.status == 204
            cookie = answer.headers["Set-Cookie"]
            assert "Secure" in cookie
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        headers = {"Cookie": cookie.partition(";")[0]}
        async with http.put("/process_csv", data=EXAMPLE, headers=headers) as answer:
            location = answer.headers["Location"]
        async with http.get(location, params={"wait": "30"}, headers=headers) as answer:
            assert await answer.read() == EXAMPLE_RESULT
    assert await server.terminate() == 0
    assert token not in "".join(server.log)


async def test_only_what_is_safe_today_is_spoken(
    start_server: StartServer, write: Callable[[], Files], trusting: ssl.SSLContext
) -> None:
    files = write()
    least = Certificate(files["tls_cert"], files["tls_key"]).context.minimum_version
    assert least is ssl.TLSVersion.TLSv1_2
    server = await start_server(**files)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        trusting.minimum_version = trusting.maximum_version = version
        assert await serial_of(server, trusting)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")  # plain HTTP gets nowhere
    assert await reader.read() == b""
    writer.close()
    assert await serial_of(server, trusting)


async def test_a_new_certificate_is_taken_up_without_a_restart(
    start_server: StartServer, write: Callable[[], Files], trusting: ssl.SSLContext
) -> None:
    files = write()
    server = await start_server(**files)
    first = await serial_of(server, trusting)
    key = files["tls_key"].read_bytes()
    write()
    renewed = files["tls_key"].read_bytes()
    files["tls_key"].write_bytes(key)  # half of the change: not used, and harmless
    server.process.send_signal(signal.SIGHUP)
    await eventually(lambda: any("that was loaded stays" in line for line in server.log))
    assert await serial_of(server, trusting) == first
    files["tls_key"].write_bytes(renewed)
    server.process.send_signal(signal.SIGHUP)
    await eventually(lambda: any("was loaded again" in line for line in server.log))
    assert await serial_of(server, trusting) != first


async def test_files_that_are_no_use_are_named_at_the_start(
    write: Callable[[], Files], tmp_path: Path
) -> None:
    files = write()
    junk = tmp_path / "junk"
    junk.write_text("junk\n")
    cert, key = files["tls_cert"], files["tls_key"]
    for flags, expected in (
        ({"tls_cert": tmp_path / "nothing", "tls_key": key}, "cannot read"),
        ({"tls_cert": cert, "tls_key": junk}, "are not a certificate and its key"),
        ({"tokens_file": tmp_path / "nothing"}, "No such file"),
        ({"tokens_file": junk}, "line 1 is not a name and a SHA-256"),
    ):
        code, _, text = await run(*command("serve", port=0, data_dir=tmp_path / "data", **flags))
        assert code == 1
        assert expected in text
        assert "Traceback" not in text
    assert not (tmp_path / "data" / "tasks").exists()


async def test_a_key_with_a_password_does_not_hang_the_start(
    write: Callable[[], Files], tmp_path: Path
) -> None:
    files = write()
    key = pem.load_pem_private_key(files["tls_key"].read_bytes(), None)
    encryption = pem.BestAvailableEncryption(b"secret")
    files["tls_key"].write_bytes(
        key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, encryption)
    )
    code, _, text = await run(*command("serve", port=0, data_dir=tmp_path / "data", **files))
    assert code == 1
    assert "without a password" in text


async def test_a_token_is_shown_once_with_the_line_for_the_file(tmp_path: Path) -> None:
    code, token, told = await run(*command("token", "ann"))
    assert code == 0
    assert token.startswith("plays_")
    assert told.splitlines()[1].startswith("ann ")
    tokens = tmp_path / "tokens"
    tokens.write_text("junk\n")
    for words in (command("token", "a b"), command("token", "ann", file=tokens)):
        code, token, told = await run(*words)
        assert (code, token) == (1, "")
        assert told.startswith("Error: ")
    assert tokens.read_text() == "junk\n"
