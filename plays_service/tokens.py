"""Who may use the service: API tokens, and the file of their hashes.

The file has one token a line, ``name sha256-hex``; empty lines and lines that start with ``#`` are
skipped. The name is the owner of the tasks. Several tokens may have the same name: to rotate one,
add the new line, move the clients over, then delete the old line.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

__all__ = ["Token", "TokenFile", "TokensError", "add_token", "make_token", "parse_tokens"]

_log = logging.getLogger(__name__)

_LINE: Final = re.compile(r"([A-Za-z0-9._@-]{1,64})[ \t]+([0-9A-Fa-f]{64})")
_NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}")
#: Bytes of chance in a token.
_TOKEN_SIZE: Final = 32
#: So that people, and scanners for leaked secrets, see what it is.
_PREFIX: Final = "plays_"


class TokensError(ValueError):
    """A file of tokens, or a name for one, cannot be used; the text says why, and in which line."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the file knows it: whose it is, and its SHA-256.

    A slow hash with a salt, as passwords need, would make nothing safer: 256 random bits can be
    neither guessed nor searched for, and no two tokens are the same.
    """

    owner: str
    digest: bytes


class TokenFile:
    """The tokens of a file. It is read again when it changes, without a restart."""

    def __init__(self, path: Path) -> None:
        """Raises `TokensError`."""
        self._path = path
        self._version = _version_of(path)
        self._tokens = _read(path)

    def owner_of(self, token: str) -> str | None:
        """Whose the token is; None where it is nobody's."""
        self._refresh()
        digest = _digest(token)
        owner = None
        for known in self._tokens:  # always all of them, so that the time tells nothing
            if hmac.compare_digest(known.digest, digest):
                owner = known.owner
        return owner

    def _refresh(self) -> None:
        version = _version_of(self._path)
        if version == self._version:
            return
        self._version = version  # one try and one line in the log for each version
        try:
            self._tokens = _read(self._path)
        except TokensError as error:
            _log.error("%s; the tokens that were known stay valid", error)
        else:
            _log.info("%s has changed: %d tokens are valid", self._path, len(self._tokens))


def parse_tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a file. Raises `TokensError`, which quotes nothing: it may be a token."""
    tokens: dict[bytes, Token] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise TokensError(
                f"line {number} is not a name and a SHA-256 in hex; "
                "`plays-service token NAME` makes such lines"
            )
        token = Token(match[1], bytes.fromhex(match[2]))
        if token.digest in tokens:
            raise TokensError(f"line {number} has the same token as a line before it")
        tokens[token.digest] = token
    return tuple(tokens.values())


def make_token(name: str) -> tuple[str, str]:
    """A new token, and the line for the file. Raises `TokensError` where the name is none."""
    if not _NAME.fullmatch(name):
        raise TokensError("a name has 1 to 64 letters, digits, or any of . _ @ -")
    token = _PREFIX + secrets.token_urlsafe(_TOKEN_SIZE)
    return token, f"{name} {_digest(token).hex()}\n"


def add_token(path: Path, line: str) -> None:
    """Append a line of `make_token`; a new file is the owner's alone.

    Raises `TokensError` where the file is none of tokens, or cannot be written.
    """
    try:
        path.touch(0o600)
        with path.open("r+", encoding="utf-8") as file:
            text = file.read()
            parse_tokens(text)
            file.write(line if text.endswith("\n") or not text else "\n" + line)
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from None


def _read(path: Path) -> tuple[Token, ...]:
    try:
        return parse_tokens(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: Exception) -> TokensError:
    if isinstance(error, OSError):
        problem = error.strerror or "cannot be read"
    else:
        problem = str(error) if isinstance(error, TokensError) else "is not text in UTF-8"
    return TokensError(f"the file of tokens {path}: {problem}")


def _digest(token: str) -> bytes:
    # What is no token may hold anything, even what has no encoding.
    return sha256(token.encode("utf-8", "backslashreplace")).digest()


def _version_of(path: Path) -> tuple[int, ...] | None:
    """What changes when the file does; None where there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
