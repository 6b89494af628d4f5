"""TLS: the server's certificate, and its renewal without a restart."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

__all__ = ["Certificate", "TlsError"]

_log = logging.getLogger(__name__)


class TlsError(RuntimeError):
    """The certificate and its key cannot be used; the text says why."""


class Certificate:
    """A certificate and its key (PEM files), and the TLS context that uses them."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises `TlsError`."""
        self._cert = cert
        self._key = key
        self.context = self._load()

    def reload(self) -> None:
        """Use for new connections what the files hold now; if that is no use, what was there."""
        try:
            self._load()  # in a context of its own: half a change would leave this one unusable
            self.context.load_cert_chain(self._cert, self._key, _no_password)
        except (TlsError, OSError) as error:
            _log.error("%s; the certificate that was loaded stays", error)
        else:
            _log.info("the certificate %s was loaded again", self._cert)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        for path in (self._cert, self._key):
            _check_readable(path)
        try:
            context.load_cert_chain(self._cert, self._key, _no_password)
        except ssl.SSLError:  # its text does not tell more
            raise TlsError(
                f"{self._cert} and {self._key} are not a certificate and its key, in PEM and "
                "without a password"
            ) from None
        return context


def _check_readable(path: Path) -> None:
    """Raise `TlsError` with the file's name, which OpenSSL would not tell."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise TlsError(f"cannot read {path}: {error.strerror}") from None


def _no_password() -> str:
    """OpenSSL would ask for it on the terminal, and a service would hang there."""
    return ""
