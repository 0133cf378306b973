"""The running agent of one device: one thread captures, another hands over, and neither waits for the other.

What happens here: the configuration becomes a spool, a key, a chain, a source and an uplink; SIGTERM lets the segment
that is being filmed be kept. What may never happen here: capture that waits for the network, or a process that ends
with something signed and not kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Protocol, Self

from ledger.canonical import JsonValue
from ledger.capture.camera import Intake, Shot, keep_recording
from ledger.capture.chain import Chain
from ledger.capture.config import Agent, CameraConfig, FileSource, SensorConfig
from ledger.capture.delivery import Delivery
from ledger.capture.keys import open_key
from ledger.capture.lines import GrowingFile, Line, from_descriptor, from_path
from ledger.capture.live import Take, open_take
from ledger.capture.recorder import Recorder
from ledger.capture.segments import read_recording
from ledger.capture.sensor import Sensor
from ledger.capture.signing import VideoSigning
from ledger.capture.spool import Spool
from ledger.capture.status import EVERY_SECONDS, StatusFile, problem_json
from ledger.capture.uplink import Uplink
from ledger.errors import Problem, Unavailable, WrongUse
from ledger.evidence import Device, DeviceSigner, SignedEvidence
from ledger.evidence.fields import write_time

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_JOIN_SECONDS = 30.0
_REOPEN_SECONDS = 2.0
_RESTART = "Start it again: nothing that was signed is lost."

Capture = Callable[[], None]


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


class Running:
    """A started agent. Use as a context manager, or `stop` it."""

    def __init__(
        self,
        agent: Agent,
        *,
        has_video: bool = True,
        intake: Intake | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Opens spool, key and uplink; starts handing over what waits. Raises what these raise."""
        self._stack, self.stopping, self.finished = ExitStack(), Event(), Event()
        self._threads: list[Thread] = []
        self.problem: Problem | None = None
        self._recorder: Recorder | Sensor | None = None
        with ExitStack() as opening:
            self.spool = opening.enter_context(Spool(agent.folder, max_bytes=agent.spool_bytes))
            key = open_key(agent.key)
            if (close := getattr(key, "close", None)) is not None:
                opening.callback(close)  # a token; only one process may be logged in
            self.chain = Chain(device_of(agent, key), key, spool=self.spool, clock=clock)
            sink = intake or opening.enter_context(open_uplink(agent, has_video=has_video))
            self.delivery = Delivery(self.spool, sink)
            self._status = StatusFile(agent.folder, self.show)
            self._stack = opening.pop_all()
        self._start("uplink", lambda: self.delivery.run(self.stopping))
        self._start("status", self._keep_status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def show(self) -> dict[str, JsonValue]:
        """What the agent says about itself."""
        last = self.chain.last
        return {
            "device": self.chain.device.id,
            "clock": write_time(_in_milliseconds(self.chain.clock())),
            "last": None if last is None else {"number": last.statement.sequence, "ends": write_time(_ends(last))},
            "kept": 0 if self._recorder is None else self._recorder.kept,
            "lost_and_not_yet_stated": self.chain.loss is not None,
            "waiting": {"count": self.spool.count, "bytes": self.spool.size},
            "handed_over": self.delivery.taken,
            "set_aside": list(self.delivery.set_aside),
            "capture": problem_json(self.problem or (self._recorder.problem if self._recorder else None)),
            "uplink": problem_json(self.delivery.problem),
        }

    def film(self, config: CameraConfig) -> None:
        """Begin to capture what the configuration names; `finished` is set where the source has an end."""
        if isinstance(config.source, FileSource):
            self._start("capture", lambda: self._film_file(config))
            return
        source, signing = config.source, _signing(config)

        def opened() -> AbstractContextManager[Take]:
            take = open_take(source, target_seconds=config.segment_seconds, is_stopping=self.stopping.is_set)
            return take if signing is None else signing.take(take)

        recorder = Recorder(self.chain, config.scene, opened, self.stopping)
        self._recorder = recorder
        self._start("capture", recorder.run)

    def read(self, config: SensorConfig) -> None:
        """Begin to take readings; `finished` is set where the lines end."""
        sensor = Sensor(self.chain, config.place, config.subject, self.stopping)
        self._recorder = sensor
        self._start("capture", lambda: self._read_lines(config, sensor))

    def stop(self) -> None:
        """Stop capturing, keep what is at hand, and let another process use the spool."""
        self.stopping.set()
        self.spool.wake()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        self._status.refresh(now=True)
        self._stack.close()

    def _read_lines(self, config: SensorConfig, sensor: Sensor) -> None:
        source = config.source
        if source.path is None:
            lines = from_descriptor(sys.stdin.fileno(), self.stopping)
        elif source.follow:
            last = self.chain.last
            number = 0 if last is None else last.statement.sequence
            lines = GrowingFile(source.path, self.spool.folder, number).lines(self.stopping)
        else:
            lines = self._reopened(source.path)
        for line in lines:
            sensor.take(line)
        self._wait_until_handed_over()

    def _reopened(self, path: Path) -> Iterator[Line]:
        """The lines of a serial device or a named pipe, opened again whenever it ends or cannot be read."""
        while not self.stopping.is_set():
            try:
                yield from from_path(path, self.stopping)
            except Unavailable as problem:
                self.problem = problem
            self.stopping.wait(_REOPEN_SECONDS)

    def _film_file(self, config: CameraConfig) -> None:
        assert isinstance(config.source, FileSource)
        source, scene = config.source, config.scene
        shot = Shot(source.name, source.started_at, scene.place, scene.lot, scene.step)
        signing = _signing(config)
        while not self.stopping.is_set():
            try:
                with read_recording(source.path, target_seconds=config.segment_seconds) as recording:
                    signed = recording if signing is None else signing.recording(recording, source.started_at)
                    keep_recording(self.chain, signed, shot)
                break
            except Problem as problem:
                if problem.code != "SPOOL_FULL":
                    raise
                self.problem = problem  # a file does not run away: it goes on when there is room
                self.stopping.wait(EVERY_SECONDS)
        self.problem = None
        self._wait_until_handed_over()

    def _wait_until_handed_over(self) -> None:
        while self.spool.count and not self.stopping.is_set():
            self.stopping.wait(EVERY_SECONDS / 4)

    def _start(self, name: str, run: Capture) -> None:
        def guarded() -> None:
            try:
                run()
            except Problem as problem:
                self.problem = problem
                self.finished.set()
            except Exception as error:
                # A thread that is gone must not be missed: the program ends, and says so to whoever starts it again.
                self.problem = Unavailable("AGENT_FAILED", f"The agent's {name} failed: {error!r}.", cure=_RESTART)
                self.finished.set()
                raise
            finally:
                if name == "capture":
                    self.finished.set()

        thread = Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _keep_status(self) -> None:
        while not self.stopping.wait(EVERY_SECONDS):
            self._status.refresh()


def device_of(agent: Agent, key: DeviceSigner) -> Device:
    """The device as it knows itself. When it may speak is for whoever enrolled it to judge."""
    return Device(agent.device, key.public_key, agent.label, *_ALWAYS, algorithm=key.algorithm)


@contextmanager
def open_uplink(agent: Agent, *, has_video: bool) -> Iterator[Intake]:
    """The way to the ledger that the configuration names.

    With a broker, readings go by MQTT, and segments are announced there: one road for each device, so that nothing
    overtakes what came before it.
    """
    with ExitStack() as stack:
        http = stack.enter_context(Uplink(agent.ledger, waits=()))
        if agent.broker is None:
            yield http
            return
        from ledger.capture.mqtt import AnnouncingUplink, MqttUplink  # noqa: PLC0415  # most devices have no broker

        broker = stack.enter_context(MqttUplink(agent.broker, agent.device))
        yield AnnouncingUplink(broker, http) if has_video else OnlyStatements(broker)


class OnlyStatements:
    """An `Intake` of a device without video."""

    def __init__(self, broker: StatementsUplink) -> None:
        self._broker = broker

    def submit(self, evidence: SignedEvidence, init: bytes, media: bytes) -> None:
        """A sensor's spool that holds video is another device's."""
        del evidence, init, media
        raise WrongUse(
            "SENSOR_VIDEO",
            "This device is a sensor, and its spool holds video.",
            cure="Run it with `pledgetrail camera run`, or give the sensor a folder of its own.",
        )

    def state(self, evidence: SignedEvidence) -> None:
        """Publish a reading or a gap."""
        self._broker.state(evidence)


class StatementsUplink(Protocol):
    """Whoever takes what is whole without video."""

    def state(self, evidence: SignedEvidence) -> None: ...


def _ends(last: object) -> datetime:
    ends: datetime = last.statement.ends  # type: ignore[attr-defined]
    return ends


def _in_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _signing(config: CameraConfig) -> VideoSigning | None:
    """What puts the camera's own signatures into its video, where it is told to."""
    if config.signing is None:
        return None
    return VideoSigning(config.signing, device=config.agent.device, label=config.agent.label)
