"""API tokens and their file."""

from __future__ import annotations

import logging
import os
import re
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from plays_service.tokens import TokenFile, TokensError, add_token, make_token, parse_tokens


def line_of(name: str, token: str) -> str:
    return f"{name} {sha256(token.encode()).hexdigest()}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(line_of("ann", "secret-a") + line_of("bob", "secret-b"))
    return path


def replace(path: Path, text: str) -> None:
    """As editors and configuration tools do: a new file under the old name."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_a_token_tells_its_owner(path: Path) -> None:
    tokens = TokenFile(path)
    assert [tokens.owner_of(f"secret-{letter}") for letter in "abc"] == ["ann", "bob", None]


@pytest.mark.parametrize("token", ["", " secret-a", "secret-a\n", "SECRET-A", "\udcff", "é", "\0"])
def test_what_is_nearly_a_token_is_none(path: Path, token: str) -> None:
    assert TokenFile(path).owner_of(token) is None


def test_the_hash_is_no_token(path: Path) -> None:
    assert TokenFile(path).owner_of(sha256(b"secret-a").hexdigest()) is None


def test_two_tokens_may_have_one_owner(path: Path) -> None:
    path.write_text(line_of("ann", "old") + line_of("ann", "new"))
    tokens = TokenFile(path)
    assert tokens.owner_of("old") == tokens.owner_of("new") == "ann"


def test_comments_empty_lines_and_large_hex_are_fine() -> None:
    digest = sha256(b"x").hexdigest()
    text = f"# who\r\n\n  \n\tann.b_c@d-1 \t {digest.upper()}  \n"
    (token,) = parse_tokens(text)
    assert (token.owner, token.digest.hex()) == ("ann.b_c@d-1", digest)


@pytest.mark.parametrize(
    "bad",
    [
        "ann",
        "ann secret",
        "ann " + "0" * 63,
        "ann " + "0" * 65,
        "ann " + "g" * 64,
        "a b " + "0" * 64,
        "é " + "0" * 64,
        "a" * 65 + " " + "0" * 64,
        "0" * 64,
    ],
)
def test_a_bad_line_is_told_by_its_number_and_not_quoted(bad: str) -> None:
    with pytest.raises(TokensError, match="line 3 is not a name") as error:
        parse_tokens(f"# tokens\n{line_of('bob', 'b')}{bad}\n")
    assert bad not in str(error.value)


def test_a_token_cannot_have_two_owners() -> None:
    with pytest.raises(TokensError, match="line 2 has the same token"):
        parse_tokens(line_of("ann", "x") + line_of("bob", "x"))


def test_the_file_is_read_again_when_it_changes(path: Path) -> None:
    tokens = TokenFile(path)
    replace(path, line_of("cid", "secret-c"))
    assert [tokens.owner_of(f"secret-{letter}") for letter in "abc"] == [None, None, "cid"]
    with path.open("a") as file:  # and when it is changed in its place
        file.write(line_of("ann", "secret-a"))
    assert tokens.owner_of("secret-a") == "ann"
    replace(path, "")
    assert tokens.owner_of("secret-a") is None


def test_a_file_that_breaks_leaves_the_tokens_that_were_known(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = TokenFile(path)
    replace(path, line_of("ann", "secret-a") + "bob secret-b\n")
    assert tokens.owner_of("secret-b") == tokens.owner_of("secret-b") == "bob"
    (record,) = caplog.records  # not one for each request
    assert record.levelno == logging.ERROR
    assert "line 2" in record.getMessage()
    assert "secret" not in record.getMessage()
    replace(path, line_of("ann", "secret-a"))
    assert tokens.owner_of("secret-b") is None


def test_a_file_that_goes_leaves_the_tokens_too(path: Path) -> None:
    tokens = TokenFile(path)
    path.unlink()
    assert tokens.owner_of("secret-a") == "ann"
    path.write_text(line_of("ann", "other"))
    assert tokens.owner_of("secret-a") is None


@pytest.mark.parametrize("content", [None, b"ann secret", b"\xff\xfe"])
def test_the_first_reading_must_succeed(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "tokens"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TokensError, match=re.escape(str(path))):
        TokenFile(path)


def test_a_made_token_is_256_random_bits_and_opens(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    token, line = make_token("ann")
    assert re.fullmatch(r"plays_[A-Za-z0-9_-]{43}", token)
    assert token not in line
    assert make_token("ann")[0] != token
    add_token(path, line)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert TokenFile(path).owner_of(token) == "ann"


def test_a_line_is_added_and_nothing_else_changes(path: Path) -> None:
    old = path.read_text().rstrip("\n")  # as some editors leave it
    path.write_text(old)
    path.chmod(0o640)
    token, line = make_token("cid")
    add_token(path, line)
    assert path.read_text() == f"{old}\n{line}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert TokenFile(path).owner_of(token) == "cid"


def test_no_line_is_added_to_what_is_no_file_of_tokens(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("buy milk\n")
    with pytest.raises(TokensError, match="notes: line 1"):
        add_token(path, make_token("ann")[1])
    assert path.read_text() == "buy milk\n"
    with pytest.raises(TokensError, match="Is a directory"):
        add_token(tmp_path, make_token("ann")[1])


@pytest.mark.parametrize("name", ["", "a b", "#ann", "a\n", "é", "a" * 65])
def test_a_name_is_one_word(name: str) -> None:
    with pytest.raises(TokensError, match="a name has"):
        make_token(name)


def test_a_file_of_the_same_size_and_time_is_still_another(path: Path) -> None:
    tokens = TokenFile(path)
    about = path.stat()
    replace(path, path.read_text().replace("ann", "eve"))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert tokens.owner_of("secret-a") == "eve"
