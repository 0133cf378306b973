"""The MQTT broker as this project wants it: the configuration of Mosquitto 2 that lets each device do one thing.

A device's account may publish to the device's own topic, under its own client id, and nothing else: it can subscribe to
nothing. The ledger's account may read the topics of all devices. Both are written out for Mosquitto's dynamic security
plugin, because its password file takes no `:` in names. May never happen here: I/O, an anonymous client, a wildcard for
a device, or a password that stands in a file of the broker.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Final

from ledger.errors import WrongUse
from ledger.evidence import Device
from ledger.evidence.signed import MAX_ENVELOPE_BYTES
from ledger.uplink_protocol import topic_of

INTAKE_USER: Final = "pledgetrail-intake"
ALL_TOPICS: Final = "pledgetrail/+/evidence"
SECRET_BYTES: Final = 32
PLUGIN: Final = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so"
ACCOUNTS_FILE: Final = "accounts.json"
MAX_PACKET_BYTES: Final = MAX_ENVELOPE_BYTES + 2048  # topic and properties
MAX_QUEUED: Final = 1_000_000  # while the ledger is away: a week of a hundred sensors that speak once a minute

_ITERATIONS = 101  # the passwords are 256 random bits: stretching them adds nothing


def password_of(secret: bytes, user: str) -> str:
    """The password of an account: 43 characters, derived from the broker's secret (32 bytes)."""
    if len(secret) != SECRET_BYTES:
        raise WrongUse("BROKER_SECRET", f"The broker's secret has {SECRET_BYTES} bytes, not {len(secret)}.")
    mac = hmac.new(secret, b"password\x00" + user.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def broker_config(folder: str, *, host: str, port: int, plugin: str = PLUGIN) -> str:
    """`mosquitto.conf` for a broker that keeps its files in `folder`. Put TLS in front of it beyond one machine."""
    return "\n".join(
        (
            "# Written by `pledgetrail intake broker-config`; write it again after devices were enrolled or revoked.",
            f"listener {port} {host}",
            "allow_anonymous false",
            "allow_zero_length_clientid false",
            f"plugin {plugin}",
            f"plugin_opt_config_file {folder}/{ACCOUNTS_FILE}",
            "# Nothing is kept for whoever subscribes later: evidence is delivered once, to the ledger.",
            "retain_available false",
            f"message_size_limit {MAX_ENVELOPE_BYTES}",
            f"max_packet_size {MAX_PACKET_BYTES}",
            "max_keepalive 300",
            "# What the ledger has not acknowledged survives a restart of the broker.",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 1",
            "autosave_on_changes true",
            f"max_queued_messages {MAX_QUEUED}",
            "max_inflight_messages 100",
            "persistent_client_expiration 14d",
            "set_tcp_nodelay true",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            "",
        )
    )


def broker_accounts(devices: Iterable[Device], secret: bytes) -> str:
    """The accounts for the broker's plugin, as JSON: one for each device that is not revoked, one for the ledger."""
    living = sorted({device.id for device in devices if device.revoked_at is None})
    if INTAKE_USER in living:
        raise WrongUse("BROKER_NAME", "A device bears the name of the ledger's own account.", where=INTAKE_USER)
    reads = [_may("subscribePattern", ALL_TOPICS), _may("publishClientReceive", ALL_TOPICS)]
    roles = [{"rolename": "intake", "acls": reads}]
    roles += [{"rolename": f"device {name}", "acls": [_may("publishClientSend", topic_of(name))]} for name in living]
    clients = [_client(INTAKE_USER, "intake", secret)]
    clients += [_client(name, f"device {name}", secret) for name in living]
    refused = dict.fromkeys(("publishClientSend", "publishClientReceive", "subscribe"), False)
    accounts = {"defaultACLAccess": {**refused, "unsubscribe": True}, "clients": clients, "groups": [], "roles": roles}
    return json.dumps(accounts, indent=1, ensure_ascii=False) + "\n"


def _may(kind: str, topic: str) -> dict[str, object]:
    return {"acltype": kind, "topic": topic, "priority": 0, "allow": True}


def _client(user: str, role: str, secret: bytes) -> dict[str, object]:
    salt = hmac.new(secret, b"salt\x00" + user.encode(), hashlib.sha256).digest()[:12]
    digest = hashlib.pbkdf2_hmac("sha512", password_of(secret, user).encode(), salt, _ITERATIONS)
    return {
        "username": user,
        "clientid": user,  # so that nobody takes over another's session
        "password": base64.b64encode(digest).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": _ITERATIONS,
        "roles": [{"rolename": role}],
    }
