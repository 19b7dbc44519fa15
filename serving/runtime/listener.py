"""Sockets to listen on, and who reaches them."""

import errno
import socket
from ipaddress import ip_address

from dbt_project.errors import CineFeastError

EVERY_ADDRESS = ("", "0.0.0.0", "::")


def listen(host: str, port: int, with_port: str) -> socket.socket:
    """The bound socket; `with_port` is the command that sets another port. Taken before the models load: a port in use
    is told at once."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Without this a second server could bind too and fail only later.
        listener.listen(128)
    except OSError as error:
        listener.close()
        used = error.errno == errno.EADDRINUSE
        why = f"port {port} on {host} is in use" if used else f"cannot listen on {host} port {port}: {error}"
        raise CineFeastError(why, with_port.format(port + 1 if port < 65535 else port - 1)) from None
    return listener


def url_of(host: str, listener: socket.socket) -> str:
    """Where it is reached."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def is_loopback(host: str) -> bool:
    """Whether this machine alone reaches it, by every address that it has."""
    try:
        found = {str(address[0]) for *_, address in socket.getaddrinfo(host or None, 0, flags=socket.AI_PASSIVE)}
    except OSError:
        return False
    return all(ip_address(address.partition("%")[0]).is_loopback for address in found)
