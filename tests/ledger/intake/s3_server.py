"""A server that speaks S3 on a free port of this machine and checks every signature (`.ci/setup-s3`)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import httpx

PYTHON = Path(__file__).parents[3] / ".venv" / "s3" / "bin" / "python"
BUCKET = "evidence"
_SECONDS = 60.0
_POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
_UNCHECKED = 4  # the first requests, which make the user, the key, its rights and the bucket


@dataclass(frozen=True, slots=True)
class S3Server:
    """Where it listens, and the only key that it takes."""

    url: str
    access_key: str
    secret_key: str


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A new one, without objects, with one bucket; its process ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {"PATH": os.environ["PATH"], "INITIAL_NO_AUTH_ACTION_COUNT": str(_UNCHECKED)}
    command = [str(PYTHON), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(url, process)
            yield _with_a_key(url)
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.get(f"{url}/moto-api/", trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"no S3 server: has .ci/setup-s3 run? status {process.poll()}")


def _with_a_key(url: str) -> S3Server:
    def manage(action: str, **more: str) -> str:
        form = {"Action": action, "UserName": "ledger", "Version": "2010-05-08", **more}
        return httpx.post(url, data=form, headers=_as("iam"), trust_env=False).raise_for_status().text

    manage("CreateUser")
    made = {
        each.tag.rpartition("}")[2]: each.text or ""
        for each in ElementTree.fromstring(manage("CreateAccessKey")).iter()
    }
    manage("PutUserPolicy", PolicyName="all", PolicyDocument=json.dumps(_POLICY))
    httpx.put(f"{url}/{BUCKET}", headers=_as("s3"), trust_env=False).raise_for_status()
    return S3Server(url, made["AccessKeyId"], made["SecretAccessKey"])


def _as(service: str) -> dict[str, str]:
    scope = f"Credential=x/20260101/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
