"""`Ledger`: everything the API and the pages work on, opened together from one data folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.bundle import Subject
from ledger.collateral import Collateral, fold
from ledger.errors import WrongUse
from ledger.evidence.maker import read_makers
from ledger.intake.media import MediaStore
from ledger.intake.media_config import open_media
from ledger.interoperable import caip2
from ledger.media_signing import TrustList
from ledger.standing import Witnesses, witnesses
from ledger.store.chain_book import ChainBook, Cursor
from ledger.store.database import Database
from ledger.store.erasure_book import ErasureBook
from ledger.store.event_book import EventBook
from ledger.store.evidence_book import SqlEvidenceBook
from ledger.store.log import Cosigners, Log
from ledger.store.log_key import log_signer
from ledger.store.paper_book import PaperBook
from ledger.store.reading_book import ReadingBook
from ledger.store.scan_book import ScanBook
from ledger.store.signed_video_book import SignedVideoBook
from ledger.store.statement_book import StatementBook

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MIN_OPERATOR_KEY_BYTES = 32
DATABASE_FILE = "ledger.sqlite"
KEY_FILE = "log.key"
MAKERS_FILE = "makers.pem"
OPERATOR_KEY_FILE = "operator.key"
UPLOADS_FOLDER = "uploads"
SIGNERS_FILE = "signers.pem"


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Ledger:
    """The services of one ledger.

    `signers`: the roots whose cameras are called trusted, from `SIGNERS_FILE` in the data folder.
    `public_url`: what printed codes point at, without a slash at the end; None: where the server listens.
    `chain_names`: what people call a chain, by its EIP-155 id.
    `bundle_of`: writes the proof bundle of a subject, and of a loan (its id) that the subject secures; None until
    whoever composes the program gives one.
    `operator_key_file`: the key of operators' requests. `makers_file`: certificates of devices' makers (PEM).
    `uploads_folder`: pieces of large segments that are still coming in.
    """

    database: Database
    media: MediaStore
    log: Log
    evidence: SqlEvidenceBook
    readings: ReadingBook
    events: EventBook
    chains: ChainBook
    papers: PaperBook
    scans: ScanBook
    statements: StatementBook
    signed_video: SignedVideoBook
    erasures: ErasureBook
    signers: TrustList = field(default_factory=TrustList)
    clock: Callable[[], datetime] = utc_now
    public_url: str | None = None
    chain_names: Mapping[int, str] = field(default_factory=dict)
    bundle_of: Callable[[Subject, bytes | None], bytes] | None = None
    operator_key_file: Path | None = None
    makers_file: Path | None = None
    uploads_folder: Path = Path(UPLOADS_FOLDER)
    _folded: tuple[tuple[Cursor, ...], Collateral] | None = field(default=None, repr=False)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        origin: str,
        cosigners: Cosigners | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> Ledger:
        """Open the ledger in `folder`, or make it. `origin`: the log's name, for good.

        Raises what `Database.open`, `log_signer`, `Log` and `open_media` raise; `WrongUse` STORE_FOLDER.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WrongUse(
                "STORE_FOLDER", f"The data folder cannot be used: {error.strerror}.", where=str(folder)
            ) from error
        database = Database.open(folder / DATABASE_FILE)
        try:
            log = Log(database, log_signer(folder / KEY_FILE, origin), clock=clock, cosigners=cosigners)
            media = open_media(folder)
            erasures = ErasureBook(database, media, folder / UPLOADS_FOLDER)
            erasures.finish()  # what a process that died left undone
            return cls(
                database=database,
                media=media,
                log=log,
                evidence=SqlEvidenceBook(database),
                readings=ReadingBook(database),
                events=EventBook(database),
                chains=ChainBook(database),
                papers=PaperBook(database),
                scans=ScanBook(database),
                statements=StatementBook(database),
                signed_video=SignedVideoBook(database),
                erasures=erasures,
                signers=_signers(folder / SIGNERS_FILE),
                clock=clock,
                operator_key_file=folder / OPERATOR_KEY_FILE,
                makers_file=folder / MAKERS_FILE,
                uploads_folder=folder / UPLOADS_FOLDER,
            )
        except BaseException:
            database.close()
            raise

    def chain_name(self, chain_id: int) -> str:
        """What people call the chain, with its CAIP-2 name."""
        name = self.chain_names.get(chain_id)
        return caip2(chain_id) if name is None else f"{name} ({caip2(chain_id)})"

    def operator_key(self) -> bytes | None:
        """What an operator's request has to bring; None: nobody is served. Read anew each time."""
        key = _content(self.operator_key_file).strip()
        return key if len(key) >= MIN_OPERATOR_KEY_BYTES else None

    @property
    def makers(self) -> tuple[Certificate, ...]:
        """The makers whose word about a device's key counts. `BadInput` MAKER_CERTIFICATE."""
        pem = _content(self.makers_file)
        return read_makers(pem) if pem else ()

    def collateral(self) -> Collateral:
        """All collateral as of the chains' cursors; folded again only when a cursor has moved."""
        cursors = self.chains.cursors()
        folded = self._folded
        if folded is None or folded[0] != cursors:
            folded = self._folded = (cursors, fold(self.chains.facts()))
        return folded[1]

    def witnesses(self) -> Witnesses:
        """The checkpoints, anchors and mirrors that vouch for this log, and those that contradict it."""
        published = self.log.latest_cosigned()
        return witnesses(
            self.collateral(),
            origin=self.log.origin,
            size=self.log.size,
            root_of=self.log.root,
            published=None if published is None else published.cosigned,
        )

    def close(self) -> None:
        """Close log and database; nothing of the ledger may be used afterwards."""
        self.log.close()
        self.database.close()


def _content(path: Path | None) -> bytes:
    return path.read_bytes() if path is not None and path.is_file() else b""


def _signers(file: Path) -> TrustList:
    """The data folder's trust list, empty where there is none. `WrongUse` SIGNERS_FILE, `BadInput` CERTIFICATES."""
    try:
        return TrustList.load(file.read_bytes()) if file.exists() else TrustList()
    except OSError as error:
        raise WrongUse(
            "SIGNERS_FILE",
            f"The list of trusted camera makers cannot be read: {error.strerror}.",
            where=str(file),
            cure="Give this user the right to read it, or take it away.",
        ) from error
