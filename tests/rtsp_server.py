"""A tiny RTSP camera for tests: one H.264 film over interleaved TCP (RFC 2326, RFC 6184), on a free loopback port.

It can break off in the middle, say nothing, or refuse, as cameras on bad networks do.
"""

from __future__ import annotations

import base64
import io
import itertools
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import av

MAX_PAYLOAD_BYTES = 1400
_FU_A = 28
_FIRST_TIME = 0xFFFF0000  # cameras begin anywhere, and the number wraps


@dataclass
class RtspCamera:
    """What the camera does.

    `film`: an MP4 with H.264. `break_off_after`: frames of each session, one after another; None to send all.
    `loops`: how often the film is shown. `real_time`: at the speed it was filmed. `silent`: accepts and sends nothing.
    `status`: its answer to DESCRIBE. `sessions`: how many were played so far.
    """

    film: bytes
    break_off_after: list[int | None] = field(default_factory=list)
    loops: int = 1
    real_time: bool = False
    silent: bool = False
    status: int = 200
    sessions: int = 0
    url: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)


@contextmanager
def rtsp_camera(camera: RtspCamera) -> Iterator[RtspCamera]:
    """Run the camera; its address is in `url`."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                _serve(self.rfile, self.connection, camera)
            except OSError:
                return  # the client has hung up

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        camera.url = f"rtsp://viewer:secret@127.0.0.1:{server.server_address[1]}/stream"
        try:
            yield camera
        finally:
            camera.stopping.set()
            server.shutdown()
            thread.join()


def _serve(lines: io.BufferedIOBase, connection: socket.socket, camera: RtspCamera) -> None:
    while True:
        request = lines.readline().decode()
        headers: dict[str, str] = {}
        while (line := lines.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if not request:
            return
        method = request.split()[0]
        body, more = b"", ""
        if method == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body, more = _sdp(camera.film), "Content-Type: application/sdp\r\n"
        elif method == "SETUP":
            more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        status = camera.status if method == "DESCRIBE" else 200
        head = f"RTSP/1.0 {status} .\r\nCSeq: {headers.get('cseq', '0')}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        if method == "PLAY":
            session, camera.sessions = camera.sessions, camera.sessions + 1
            if camera.silent:
                camera.stopping.wait(60)
                return
            _play(connection, camera, session)
            return
        if method == "TEARDOWN":
            return


def _play(connection: socket.socket, camera: RtspCamera, session: int) -> None:
    limits = camera.break_off_after
    limit = limits[session] if session < len(limits) else None
    number, shown, began = 0, list(frames(camera.film)), time.monotonic()
    length = max(pts for pts, _ in shown) + shown[1][0] - shown[0][0]
    for count, (loop, (at, nals)) in enumerate(itertools.product(range(camera.loops), shown)):
        pts = at + loop * length
        if limit is not None and count >= limit:
            break
        if camera.real_time and camera.stopping.wait(max(0.0, began + pts / 90_000 - time.monotonic())):
            break
        for place, nal in enumerate(nals):
            for payload, is_last in _payloads(nal):
                marker = 0x80 if is_last and place == len(nals) - 1 else 0
                head = bytes([0x80, 96 | marker]) + (number & 0xFFFF).to_bytes(2, "big")
                head += (pts + _FIRST_TIME & 0xFFFFFFFF).to_bytes(4, "big") + b"camA"
                packet = head + payload
                connection.sendall(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
                number += 1
    connection.shutdown(socket.SHUT_WR)


def frames(film: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Each coded frame of the film, in the order of coding: its time (90 kHz) and its NAL units."""
    with av.open(io.BytesIO(film), "r", options={"advanced_editlist": "0"}) as source:
        video = source.streams.video[0]
        for packet in source.demux(video):
            if packet.dts is None:
                continue
            assert packet.pts is not None and packet.time_base is not None
            raw, nals, at = bytes(packet), [], 0
            while at < len(raw):
                size = int.from_bytes(raw[at : at + 4], "big")
                nals.append(raw[at + 4 : at + 4 + size])
                at += 4 + size
            yield int(packet.pts * packet.time_base * 90_000), nals


def _payloads(nal: bytes) -> Iterator[tuple[bytes, bool]]:
    """One NAL unit as one packet, or in fragments (RFC 6184, 5.8)."""
    if len(nal) <= MAX_PAYLOAD_BYTES:
        yield nal, True
        return
    indicator, kind, rest = nal[0] & 0xE0 | _FU_A, nal[0] & 0x1F, nal[1:]
    for at in range(0, len(rest), MAX_PAYLOAD_BYTES):
        is_last = at + MAX_PAYLOAD_BYTES >= len(rest)
        flags = (0x80 if at == 0 else 0) | (0x40 if is_last else 0)
        yield bytes([indicator, flags | kind]) + rest[at : at + MAX_PAYLOAD_BYTES], is_last


def _sdp(film: bytes) -> bytes:
    with av.open(io.BytesIO(film), "r") as source:
        config = source.streams.video[0].codec_context.extradata
    assert config is not None
    size = int.from_bytes(config[6:8], "big")
    sps, rest = config[8 : 8 + size], config[8 + size + 1 :]
    pps = rest[2 : 2 + int.from_bytes(rest[:2], "big")]
    sets = ",".join(base64.b64encode(part).decode() for part in (sps, pps))
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n"
        "a=rtpmap:96 H264/90000\r\n"
        f"a=fmtp:96 packetization-mode=1;profile-level-id={sps[1:4].hex()};sprop-parameter-sets={sets}\r\n"
        "a=control:track1\r\n"
    ).encode()
