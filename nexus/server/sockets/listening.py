"""Listening sockets: TCP over IPv4 and IPv6, and Unix sockets; and the TLS context for HTTPS.

The file of a Unix socket that still has a listener is never removed; a stale one is.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import stat
from collections.abc import Sequence

from nexus.settings.guards import TlsSettings
from nexus.settings.listen import AnyAddress, ListenAddress, UnixAddress, url_of
from nexus.settings.problems import CannotServe
from nexus.settings.types import KeyPath

BACKLOG = 4096
"""Maximum connections that wait to be accepted; the system may allow fewer."""

SocketFile = tuple[str, tuple[int, int]]
"""The path of a Unix socket, and its file's identity, which a later file at this path does not share."""


LISTEN = ("server", "listen_address")


def bind_all(addresses: Sequence[AnyAddress], mode: str = "0600", setting: KeyPath = LISTEN) -> list[socket.socket]:
    """Listens at every address of a setting, or at none if one fails. Raises CannotServe."""
    sockets: list[socket.socket] = []
    for address in addresses:
        try:
            sockets += _bind_unix(address.path, mode) if isinstance(address, UnixAddress) else bind(address, addresses)
        except OSError as error:
            remove_files(files_of(sockets))
            for sock in sockets:
                sock.close()
            raise CannotServe(setting, f"cannot listen on {address}: {_reason(error, address)}") from error
    return sockets


def bind(address: ListenAddress, among: Sequence[AnyAddress] = ()) -> list[socket.socket]:
    """Listens at one address; ``[::]`` includes IPv4, unless an IPv4 address or name in ``among`` has the same port."""
    tcp = (other for other in among if isinstance(other, ListenAddress))
    shares = any(other.port == address.port and ":" not in other.host for other in tcp)
    if address.host == "::" and not (shares and address.port):
        sockets = [_bind_tcp(socket.AF_INET6, ("::", address.port), both=True)]
    else:
        sockets = _bind_each(address.host, address.port)
    for sock in sockets:
        # Accepted connections inherit this option.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sockets


def base_url(sock: socket.socket, *, secure: bool = False) -> str:
    path = _path_of(sock)
    if path is not None:
        return url_of(UnixAddress(path))
    host, port = sock.getsockname()[:2]
    return url_of(ListenAddress(host, port), "https" if secure else "http")


def files_of(sockets: Sequence[socket.socket]) -> list[SocketFile]:
    """Returns the files of the Unix sockets among ``sockets``."""
    return [(path, _identity(path)) for path in filter(None, map(_path_of, sockets))]


def remove_files(files: Sequence[SocketFile]) -> None:
    """Removes the files, except those that were replaced meanwhile."""
    for path, identity in files:
        try:
            if _identity(path) == identity:
                os.unlink(path)
        except OSError:
            continue  # gone already


def _identity(path: str) -> tuple[int, int]:
    """Returns the inode number and modification time of a file, because inode numbers are soon reused."""
    status = os.stat(path)
    return status.st_ino, status.st_mtime_ns


def _bind_each(host: str, port: int) -> list[socket.socket]:
    """Listens at every address of a host name; port 0 becomes the same free port for all of them."""
    sockets: list[socket.socket] = []
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, *_, address in dict.fromkeys(addresses):
            sockets.append(_bind_tcp(family, (address[0], port, *address[2:])))
            port = port or sockets[-1].getsockname()[1]
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_tcp(family: int, address: tuple[str | int, ...], *, both: bool = False) -> socket.socket:
    """Listens at one TCP address. ``both``: an IPv6 address also accepts IPv4."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, mode: str) -> list[socket.socket]:
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # Create the file with its final mode, so that no other user can connect before chmod.
        before = os.umask(0o777 & ~int(mode, 8))
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        os.chmod(path, int(mode, 8))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return [sock]


def _clear(path: str) -> None:
    """Removes a stale socket file. Raises OSError for any other file at the path."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise FileExistsError(errno.EEXIST, "a file that is not a socket exists there")
    if not _is_stale(path):
        raise OSError(errno.EADDRINUSE, "another process listens there")
    os.unlink(path)


def _is_stale(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            # A listener that is too busy to accept is still alive.
            return False
    return False


def _path_of(sock: socket.socket) -> str | None:
    return str(sock.getsockname()) if sock.family == socket.AF_UNIX else None


def _reason(error: OSError, address: AnyAddress) -> str:
    match error.errno:
        case errno.EADDRINUSE if isinstance(address, ListenAddress):
            return "the port is in use; stop what listens there, or choose another with --listen-address"
        case errno.EACCES if isinstance(address, ListenAddress):
            return "the port is privileged; use one above 1023"
        case errno.EAFNOSUPPORT:
            return "this machine does not support that address family"
        case _:
            return (error.strerror or str(error)).lower()


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """Returns the TLS context for serving HTTPS. Raises CannotServe."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        text = f"the TLS certificate and key cannot be used: {_tls_reason(error)}"
        raise CannotServe(("server", "tls", "certificate"), text) from error
    return context


def _tls_reason(error: Exception) -> str:
    match error:
        case ssl.SSLError(reason="KEY_VALUES_MISMATCH"):
            return "the key does not match the certificate"
        case ssl.SSLError(reason=str(reason)):
            return reason.lower().replace("_", " ")
        case OSError(strerror=str(text)) if not isinstance(error, ssl.SSLError):
            return text.lower()
        case _:
            return "one of the files is not PEM, or the key is encrypted"
