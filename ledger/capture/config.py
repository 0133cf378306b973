"""How a camera or a sensor is told who it is: one JSON file, whose relative paths start at the file.

Nothing here is secret: keys, PINs and passwords stand in files of their own, also the address of a stream that holds a
password (`rtsp_file`). May never happen here: a field that is ignored, or a default for one that says where evidence
goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from ledger.canonical import JsonValue, parse_json
from ledger.capture.keys import KeyPlace, TokenPlace
from ledger.capture.live import LiveSource
from ledger.capture.recorder import Scene
from ledger.capture.segments import MIN_TARGET_SECONDS, TARGET_SECONDS
from ledger.capture.signing import SigningPlace
from ledger.capture.spool import MAX_SPOOL_BYTES
from ledger.config_file import MAX_CONFIG_BYTES, about, fields_of, non_empty, read_fields, read_file
from ledger.evidence.fields import check_text, read_time
from ledger.evidence.keys import as_algorithm

MIN_SPOOL_BYTES = 1024 * 1024
MAX_TARGET_SECONDS = 600.0
_CURE = "See ledger/capture/README.md."


@dataclass(frozen=True, slots=True)
class Broker:
    """An MQTT 5 broker. `password_file`: mode 0600; the user is the device. `ca_file`: None for one without TLS."""

    host: str
    port: int
    password_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """What cameras and sensors have in common. `ledger`: its base URL. `folder`: the spool. `label`: what it is."""

    device: str
    label: str
    key: KeyPlace
    folder: Path
    ledger: str
    spool_bytes: int = MAX_SPOOL_BYTES
    broker: Broker | None = None


@dataclass(frozen=True, slots=True)
class FileSource:
    """A recording that is whole. `started_at`: UTC, when its first frame was filmed; `name`: unique for the device."""

    path: Path
    name: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """A camera: who it is, what it looks at, from where its video comes, and what signs inside it, if anything does."""

    agent: Agent
    scene: Scene
    source: FileSource | LiveSource
    segment_seconds: float = TARGET_SECONDS
    signing: SigningPlace | None = None


@dataclass(frozen=True, slots=True)
class LineSource:
    """Lines of JSON, one reading each. `path`: None for standard input. `follow`: a file that grows, remembered across
    restarts; otherwise a pipe or a serial line, read as it comes."""

    path: Path | None
    follow: bool = False


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """A sensor. `place`, `subject`: what its readings are of where a line does not say."""

    agent: Agent
    source: LineSource
    place: str | None
    subject: str | None


def load_camera(path: Path) -> CameraConfig:
    """Read a camera's file. `Unavailable` CONFIG_UNREADABLE; `BadInput` CONFIG_FORMAT, JSON_…."""
    with about(path, cure=_CURE):
        value = _object(path, {"place", "lot", "step", "source"}, {"segment_seconds", "media_signing"})
        texts = [_text(value, name) for name in ("place", "lot", "step")]
        seconds = value.get("segment_seconds", TARGET_SECONDS)
        if not isinstance(seconds, int | float) or not MIN_TARGET_SECONDS <= seconds <= MAX_TARGET_SECONDS:
            raise ValueError(f"segment_seconds is from {MIN_TARGET_SECONDS:g} to {MAX_TARGET_SECONDS:g}")
        source = _video_source(path.parent, value["source"])
        signing = _signing(path.parent, value["media_signing"], source) if "media_signing" in value else None
        return CameraConfig(_agent(path.parent, value), Scene(*texts), source, float(seconds), signing)


def load_sensor(path: Path) -> SensorConfig:
    """Read a sensor's file. Raises as `load_camera`."""
    with about(path, cure=_CURE):
        value = _object(path, {"source"}, {"place", "subject"})
        place, subject = (_text(value, name) if name in value else None for name in ("place", "subject"))
        return SensorConfig(
            _agent(path.parent, value), _line_source(path.parent, value["source"]), place=place, subject=subject
        )


def load_agent(path: Path) -> Agent:
    """What a camera's and a sensor's file have in common. Raises as `load_camera`."""
    with about(path, cure=_CURE):
        value = parse_json(read_file(path), max_bytes=MAX_CONFIG_BYTES)
        is_camera = isinstance(value, dict) and "lot" in value
    return load_camera(path).agent if is_camera else load_sensor(path).agent


_AGENT, _AGENT_OPTIONAL = {"device", "label", "key", "folder", "ledger"}, {"spool_bytes", "mqtt"}


def _object(path: Path, fields: set[str], optional: set[str]) -> dict[str, JsonValue]:
    return read_fields(path, _AGENT | fields, _AGENT_OPTIONAL | optional)


def _agent(base: Path, value: Mapping[str, JsonValue]) -> Agent:
    spool = value.get("spool_bytes", MAX_SPOOL_BYTES)
    if type(spool) is not int or spool < MIN_SPOOL_BYTES:
        raise ValueError(f"spool_bytes is a whole number from {MIN_SPOOL_BYTES} on")
    return Agent(
        device=_text(value, "device"),
        label=_text(value, "label"),
        key=_key(base, value["key"]),
        folder=base / non_empty(value["folder"]),
        ledger=_ledger_url(value["ledger"]),
        spool_bytes=spool,
        broker=_broker(base, value["mqtt"]) if "mqtt" in value else None,
    )


def _ledger_url(value: JsonValue) -> str:
    # What is filmed is nobody else's business on the way: without TLS it never leaves the machine.
    url = non_empty(value)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not url.startswith("https://") and not (url.startswith("http://") and is_here):
        raise ValueError("ledger is an https address, or http on this machine (127.0.0.1, localhost)")
    return url


def _key(base: Path, value: JsonValue) -> KeyPlace:
    is_token = isinstance(value, dict) and "token" in value
    fields = fields_of(value, "key", {"algorithm", "token" if is_token else "file"})
    algorithm = as_algorithm(non_empty(fields["algorithm"]))
    if not is_token:
        return KeyPlace(algorithm, file=base / non_empty(fields["file"]))
    token = fields_of(fields["token"], "token", {"library", "label", "key", "pin_file"})
    library, pin_file = (base / non_empty(token[name]) for name in ("library", "pin_file"))
    return KeyPlace(algorithm, token=TokenPlace(library, non_empty(token["label"]), non_empty(token["key"]), pin_file))


def _signing(base: Path, value: JsonValue, source: FileSource | LiveSource) -> SigningPlace:
    fields = fields_of(value, "media_signing", {"key", "chain"})
    place = SigningPlace(_key(base, fields["key"]), base / non_empty(fields["chain"]))
    if place.key.algorithm != "P-256":
        raise ValueError("media_signing takes a P-256 key")
    if place.key.token is not None and isinstance(source, FileSource):
        # A token signs the same bytes differently each time, and a file is begun again after a crash.
        raise ValueError("media_signing of a recording in a file takes a key in a file")
    return place


def _broker(base: Path, value: JsonValue) -> Broker:
    fields = fields_of(value, "mqtt", {"host", "port"}, {"password_file", "ca_file"})
    port = fields["port"]
    if type(port) is not int or not 0 < port < 65536:
        raise ValueError("the port is from 1 to 65535")
    files = (base / non_empty(fields[name]) if name in fields else None for name in ("password_file", "ca_file"))
    return Broker(non_empty(fields["host"]), port, *files)


def _video_source(base: Path, value: JsonValue) -> FileSource | LiveSource:
    kinds: dict[str, Callable[[Path, dict[str, JsonValue]], FileSource | LiveSource]] = {
        "file": _file_source,
        "rtsp": lambda _, fields: LiveSource("rtsp", non_empty(fields["rtsp"]), "rtsp"),
        "rtsp_file": lambda base, fields: LiveSource(
            "rtsp", read_file(base / non_empty(fields["rtsp_file"])).decode().strip(), "rtsp"
        ),
        "camera": _local_camera,
    }
    found = [kind for kind in kinds if isinstance(value, dict) and kind in value]
    if len(found) != 1:
        raise ValueError(f"source has one of {', '.join(kinds)}")
    needed, optional = _SOURCE_FIELDS[found[0]]
    return kinds[found[0]](base, fields_of(value, "source", needed, optional))


_SOURCE_FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "file": ({"file", "name", "started_at"}, set()),
    "rtsp": ({"rtsp"}, set()),
    "rtsp_file": ({"rtsp_file"}, set()),
    "camera": ({"camera"}, {"size", "fps", "coding"}),
}


def _file_source(base: Path, fields: dict[str, JsonValue]) -> FileSource:
    started_at = read_time(non_empty(fields["started_at"]))
    return FileSource(base / non_empty(fields["file"]), _text(fields, "name"), started_at)


def _local_camera(_: Path, fields: dict[str, JsonValue]) -> LiveSource:
    names = {"size": "video_size", "fps": "framerate", "coding": "input_format"}
    options = {names[name]: non_empty(fields[name]) for name in names if name in fields}
    return LiveSource("v4l2", non_empty(fields["camera"]), "v4l2", options)


def _line_source(base: Path, value: JsonValue) -> LineSource:
    if value == "-":
        return LineSource(None)
    if isinstance(value, dict) and set(value) == {"file"}:
        return LineSource(base / non_empty(value["file"]), follow=True)
    if isinstance(value, dict) and set(value) == {"line"}:
        return LineSource(base / non_empty(value["line"]))
    raise ValueError('source is "-", {"file": path} or {"line": path of a serial device or pipe}')


def _text(fields: Mapping[str, JsonValue], name: str) -> str:
    text = fields[name]
    if not isinstance(text, str):
        raise ValueError(f"{name} is text")
    check_text(name, text)
    return text
