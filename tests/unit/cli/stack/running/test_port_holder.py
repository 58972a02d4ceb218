"""Ports that a command requires."""

import os
import socket

import pytest

from cli.stack.running.port_holder import PortTakenError, require_port


def test_the_error_names_the_port_its_process_and_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        wanted = rf"port {taken} of 127.0.0.1 is taken by .* \(pid {os.getpid()}\).* --flower-port"
        with pytest.raises(PortTakenError, match=wanted):
            require_port(taken, "127.0.0.1", "--flower-port")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(PortTakenError, match="cannot be used"):
        require_port(5000, "192.0.2.1", "--port")


def test_port_0_is_replaced_by_a_free_port() -> None:
    assert require_port(0, "127.0.0.1", "--port") > 0
