"""The tables as they stood before: one name and its SQL for each table and index, as each program made them.

Never changed, only added to: whoever changes `ledger.store.tables` adds a shape here and a step in
`ledger.store.upgrades`. Of the one that stood first, only the tables of devices and video are given: it is refused.
"""

from __future__ import annotations

from typing import Final

V1: Final = {
    "device": (
        "CREATE TABLE device (id VARCHAR NOT NULL, public_key BLOB NOT NULL, label VARCHAR NOT NULL, "
        "valid_from VARCHAR(27) NOT NULL, valid_until VARCHAR(27) NOT NULL, revoked_at VARCHAR(27), "
        "PRIMARY KEY (id))"
    ),
    "entry": (
        'CREATE TABLE entry ("index" BIGINT NOT NULL, digest BLOB NOT NULL, salt BLOB NOT NULL, '
        'domain VARCHAR NOT NULL, object_digest BLOB NOT NULL, PRIMARY KEY ("index"), UNIQUE (domain, '
        "object_digest))"
    ),
    "segment": (
        "CREATE TABLE segment (digest BLOB NOT NULL, entry BIGINT NOT NULL, device VARCHAR NOT NULL, "
        "sequence BIGINT NOT NULL, recording VARCHAR NOT NULL, lot VARCHAR NOT NULL, step VARCHAR NOT NULL, "
        "place VARCHAR NOT NULL, recorded_from VARCHAR(27) NOT NULL, recorded_until VARCHAR(27) NOT NULL, "
        "statement BLOB NOT NULL, signature BLOB NOT NULL, init_cid VARCHAR NOT NULL, "
        "media_cid VARCHAR NOT NULL, received_at VARCHAR(27) NOT NULL, PRIMARY KEY (digest), UNIQUE (device, "
        'sequence), UNIQUE (entry), FOREIGN KEY(entry) REFERENCES entry ("index"), '
        "FOREIGN KEY(device) REFERENCES device (id))"
    ),
    "statement": (
        "CREATE TABLE statement (digest BLOB NOT NULL, entry INTEGER NOT NULL, domain VARCHAR NOT NULL, "
        "canonical BLOB NOT NULL, PRIMARY KEY (digest), UNIQUE (entry), "
        'FOREIGN KEY(entry) REFERENCES entry ("index"))'
    ),
}

V2: Final = {
    "device": (
        "CREATE TABLE device (id VARCHAR NOT NULL, algorithm VARCHAR NOT NULL, public_key BLOB NOT NULL, "
        "label VARCHAR NOT NULL, valid_from VARCHAR(27) NOT NULL, valid_until VARCHAR(27) NOT NULL, "
        "revoked_at VARCHAR(27), attested_by VARCHAR, terms BLOB, released_after BIGINT, PRIMARY KEY (id), "
        "UNIQUE (public_key))"
    ),
    "entry": (
        'CREATE TABLE entry ("index" BIGINT NOT NULL, digest BLOB NOT NULL, salt BLOB NOT NULL, '
        'domain VARCHAR NOT NULL, object_digest BLOB NOT NULL, PRIMARY KEY ("index"), UNIQUE (domain, '
        "object_digest))"
    ),
    "checkpoint": (
        "CREATE TABLE checkpoint (size BIGINT NOT NULL, note BLOB NOT NULL, made_at VARCHAR(27) NOT NULL, "
        "cosigned BLOB, cosigned_at VARCHAR(27), PRIMARY KEY (size))"
    ),
    "block": (
        "CREATE TABLE block (chain_id BIGINT NOT NULL, number BIGINT NOT NULL, hash BLOB NOT NULL, "
        "parent_hash BLOB NOT NULL, time BIGINT, PRIMARY KEY (chain_id, number))"
    ),
    "chain_fact": (
        "CREATE TABLE chain_fact (id INTEGER NOT NULL, chain_id BIGINT NOT NULL, block BIGINT NOT NULL, "
        'block_hash BLOB NOT NULL, "transaction" BLOB NOT NULL, log_index INTEGER NOT NULL, '
        "contract VARCHAR NOT NULL, event VARCHAR NOT NULL, fields TEXT NOT NULL, time BIGINT, PRIMARY KEY (id), "
        "UNIQUE (chain_id, block, log_index))"
    ),
    "ix_chain_fact_transaction": 'CREATE INDEX ix_chain_fact_transaction ON chain_fact ("transaction")',
    "lot": (
        "CREATE TABLE lot (goods_key BLOB NOT NULL, identifier VARCHAR NOT NULL, name_en VARCHAR NOT NULL, "
        "name_zh VARCHAR NOT NULL, PRIMARY KEY (goods_key), UNIQUE (identifier))"
    ),
    "place": (
        "CREATE TABLE place (identifier VARCHAR NOT NULL, name_en VARCHAR NOT NULL, name_zh VARCHAR NOT NULL, "
        "PRIMARY KEY (identifier))"
    ),
    "receipt_document": (
        "CREATE TABLE receipt_document (receipt_id BLOB NOT NULL, number VARCHAR NOT NULL, "
        "keeper VARCHAR NOT NULL, goods_key BLOB NOT NULL, quantity VARCHAR NOT NULL, unit VARCHAR NOT NULL, "
        "PRIMARY KEY (receipt_id))"
    ),
    "loan_document": (
        "CREATE TABLE loan_document (loan_id BLOB NOT NULL, number VARCHAR NOT NULL, lender VARCHAR NOT NULL, "
        "receipt_id BLOB NOT NULL, amount VARCHAR NOT NULL, currency VARCHAR NOT NULL, PRIMARY KEY (loan_id))"
    ),
    "scan": (
        "CREATE TABLE scan (unit VARCHAR NOT NULL, times INTEGER NOT NULL, first_at VARCHAR(27) NOT NULL, "
        "last_at VARCHAR(27) NOT NULL, PRIMARY KEY (unit))"
    ),
    "statement": (
        "CREATE TABLE statement (digest BLOB NOT NULL, entry INTEGER NOT NULL, domain VARCHAR NOT NULL, "
        "canonical BLOB NOT NULL, PRIMARY KEY (digest), UNIQUE (entry), "
        'FOREIGN KEY(entry) REFERENCES entry ("index"))'
    ),
    "ix_statement_domain": "CREATE INDEX ix_statement_domain ON statement (domain)",
    "evidence": (
        "CREATE TABLE evidence (digest BLOB NOT NULL, entry BIGINT NOT NULL, device VARCHAR NOT NULL, "
        "sequence BIGINT NOT NULL, place VARCHAR, begins VARCHAR(27) NOT NULL, ends VARCHAR(27) NOT NULL, "
        "trusted_time BOOLEAN NOT NULL, statement BLOB NOT NULL, signature BLOB NOT NULL, "
        "received_at VARCHAR(27) NOT NULL, PRIMARY KEY (digest), UNIQUE (device, sequence), UNIQUE (entry), "
        'FOREIGN KEY(entry) REFERENCES entry ("index"), FOREIGN KEY(device) REFERENCES device (id))'
    ),
    "evidence_by_time": "CREATE INDEX evidence_by_time ON evidence (device, trusted_time, ends)",
    "event": (
        "CREATE TABLE event (digest BLOB NOT NULL, entry BIGINT NOT NULL, event_id VARCHAR, "
        "type VARCHAR NOT NULL, biz_step VARCHAR, event_time VARCHAR(27) NOT NULL, "
        "declared_wrong BOOLEAN NOT NULL, canonical BLOB NOT NULL, received_at VARCHAR(27) NOT NULL, "
        'PRIMARY KEY (digest), UNIQUE (entry), FOREIGN KEY(entry) REFERENCES entry ("index"))'
    ),
    "ix_event_event_time": "CREATE INDEX ix_event_event_time ON event (event_time)",
    "ix_event_event_id": "CREATE INDEX ix_event_event_id ON event (event_id)",
    "chain_fact_subject": (
        "CREATE TABLE chain_fact_subject (subject BLOB NOT NULL, fact INTEGER NOT NULL, PRIMARY KEY (subject, "
        "fact), FOREIGN KEY(fact) REFERENCES chain_fact (id))"
    ),
    "chain_fact_subject_by_fact": "CREATE INDEX chain_fact_subject_by_fact ON chain_fact_subject (fact)",
    "lot_step": (
        "CREATE TABLE lot_step (goods_key BLOB NOT NULL, position INTEGER NOT NULL, step VARCHAR NOT NULL, "
        "PRIMARY KEY (goods_key, position), FOREIGN KEY(goods_key) REFERENCES lot (goods_key))"
    ),
    "segment": (
        "CREATE TABLE segment (digest BLOB NOT NULL, recording VARCHAR NOT NULL, lot VARCHAR NOT NULL, "
        "step VARCHAR NOT NULL, init_cid VARCHAR NOT NULL, media_cid VARCHAR NOT NULL, PRIMARY KEY (digest), "
        "FOREIGN KEY(digest) REFERENCES evidence (digest))"
    ),
    "ix_segment_lot": "CREATE INDEX ix_segment_lot ON segment (lot)",
    "ix_segment_media_cid": "CREATE INDEX ix_segment_media_cid ON segment (media_cid)",
    "ix_segment_init_cid": "CREATE INDEX ix_segment_init_cid ON segment (init_cid)",
    "ix_segment_recording": "CREATE INDEX ix_segment_recording ON segment (recording)",
    "reading": (
        "CREATE TABLE reading (digest BLOB NOT NULL, subject VARCHAR NOT NULL, quantity VARCHAR NOT NULL, "
        "value VARCHAR NOT NULL, unit VARCHAR NOT NULL, observed_at VARCHAR(27) NOT NULL, "
        "usable BOOLEAN NOT NULL, PRIMARY KEY (digest), FOREIGN KEY(digest) REFERENCES evidence (digest))"
    ),
    "reading_by_subject": "CREATE INDEX reading_by_subject ON reading (subject, quantity, observed_at)",
    "finding": (
        "CREATE TABLE finding (digest BLOB NOT NULL, entry BIGINT NOT NULL, device VARCHAR NOT NULL, "
        "code VARCHAR NOT NULL, sequence BIGINT, found_at VARCHAR(27) NOT NULL, kept BLOB, PRIMARY KEY (digest), "
        "FOREIGN KEY(digest) REFERENCES statement (digest), UNIQUE (entry), "
        'FOREIGN KEY(entry) REFERENCES entry ("index"), FOREIGN KEY(device) REFERENCES device (id))'
    ),
    "ix_finding_device": "CREATE INDEX ix_finding_device ON finding (device)",
    "event_identifier": (
        "CREATE TABLE event_identifier (identifier VARCHAR NOT NULL, event BLOB NOT NULL, "
        "PRIMARY KEY (identifier, event), FOREIGN KEY(event) REFERENCES event (digest))"
    ),
    "ix_event_identifier_event": "CREATE INDEX ix_event_identifier_event ON event_identifier (event)",
}

V3: Final = V2 | {
    "signed_video": (
        "CREATE TABLE signed_video (digest BLOB NOT NULL, document BLOB NOT NULL, "
        "judged_at VARCHAR(27) NOT NULL, PRIMARY KEY (digest), FOREIGN KEY(digest) REFERENCES evidence (digest))"
    ),
}

V3_ANNOUNCED: Final = V3 | {
    "announcement": (
        "CREATE TABLE announcement (digest BLOB NOT NULL, device VARCHAR NOT NULL, sequence BIGINT NOT NULL, "
        "envelope BLOB NOT NULL, received_at VARCHAR(27) NOT NULL, PRIMARY KEY (digest), "
        "FOREIGN KEY(device) REFERENCES device (id))"
    ),
    "ix_announcement_device": "CREATE INDEX ix_announcement_device ON announcement (device)",
}

V4: Final = V3_ANNOUNCED | {
    "checkpoint": (
        "CREATE TABLE checkpoint (size BIGINT NOT NULL, note BLOB NOT NULL, made_at VARCHAR(27) NOT NULL, "
        "cosigned BLOB, cosigned_at VARCHAR(27), stamp BLOB, PRIMARY KEY (size))"
    ),
}

V5: Final = V4 | {
    "erasure_work": "CREATE TABLE erasure_work (what VARCHAR NOT NULL, PRIMARY KEY (what))",
    "erased": (
        "CREATE TABLE erased (entry BIGINT NOT NULL, digest BLOB NOT NULL, kind VARCHAR NOT NULL, "
        "erased_at VARCHAR(27) NOT NULL, reason VARCHAR NOT NULL, device VARCHAR, sequence BIGINT, "
        'PRIMARY KEY (entry), FOREIGN KEY(entry) REFERENCES entry ("index"), UNIQUE (digest), '
        "FOREIGN KEY(digest) REFERENCES statement (digest))"
    ),
    "erased_by_device": "CREATE INDEX erased_by_device ON erased (device, sequence)",
    "erased_mark": (
        "CREATE TABLE erased_mark (mark BLOB NOT NULL, entry BIGINT NOT NULL, PRIMARY KEY (mark, entry), "
        "FOREIGN KEY(entry) REFERENCES erased (entry))"
    ),
}

V6: Final = V5 | {
    "reading": (
        "CREATE TABLE reading (digest BLOB NOT NULL, place VARCHAR, subject VARCHAR NOT NULL, "
        "quantity VARCHAR NOT NULL, value VARCHAR NOT NULL, unit VARCHAR NOT NULL, "
        "observed_at VARCHAR(27) NOT NULL, usable BOOLEAN NOT NULL, PRIMARY KEY (digest), "
        "FOREIGN KEY(digest) REFERENCES evidence (digest))"
    ),
    "reading_by_place": "CREATE INDEX reading_by_place ON reading (place, quantity, observed_at)",
}

SHAPES: Final = {"2": V2, "3": V3, "3, with announcements": V3_ANNOUNCED, "4": V4, "5": V5}
"""Those that an upgrade leads on from, by their version and what tells two of one version apart."""
