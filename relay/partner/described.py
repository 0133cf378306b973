"""The partner API's OpenAPI description: the shapes of requests and answers, as JSON schema, in one place.

Tests check real answers against them. Shapes are closed where a client may rely on every field.
"""

from __future__ import annotations

from typing import Any

from relay.partner.feed import KINDS

Schema = dict[str, Any]

HEX32: Schema = {"type": "string", "pattern": "^0x[0-9a-f]{64}$"}
HEX: Schema = {"type": "string", "pattern": "^0x([0-9a-f]{2})*$"}
CHAIN: Schema = {"type": "string", "pattern": "^eip155:[1-9][0-9]{0,31}$", "description": "CAIP-2"}
ACCOUNT: Schema = {"type": "string", "pattern": "^eip155:[1-9][0-9]{0,31}:0x[0-9a-f]{40}$", "description": "CAIP-10"}
DECIMAL: Schema = {"type": "string", "pattern": "^(0|[1-9][0-9]*)$", "description": "a decimal number, exact"}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}


def shape(optional: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    """A closed object; every field is there but the optional ones."""
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def listed(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def maybe(schema: Schema) -> Schema:
    """It, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


PROBLEM = shape(type=TEXT, title=TEXT, status=NUMBER, code=TEXT, where=TEXT, cure=TEXT)
TURN = shape(who=TEXT, does=TEXT, why=TEXT, code=TEXT, cure=TEXT)
ROW_FIELDS: dict[str, Schema] = {
    "id": HEX32,
    "kind": TEXT,
    "from": ACCOUNT,
    "to": ACCOUNT,
    "state": TEXT,
    "next": TURN,
}
ROW: Schema = {"type": "object", "properties": ROW_FIELDS, "required": list(ROW_FIELDS)}
MESSAGES = shape(messages=listed(ROW), next_cursor=maybe(TEXT))
MESSAGE: Schema = {
    "type": "object",
    "properties": ROW_FIELDS | {"lane": HEX32, "steps": listed({"type": "object"}), "expiry": NUMBER},
    "required": [*ROW_FIELDS, "lane", "generation", "sequence", "expiry", "executed", "outcome", "credential", "steps"],
}
_BY = shape(time=NUMBER, chain=CHAIN, now=maybe(NUMBER), seconds_left=maybe(NUMBER), then=TEXT)
_ATTEMPT = shape(step=TEXT, at={"type": "number"}, milliseconds={"type": "number"}, code=TEXT, what=TEXT)
_COST = shape(
    step=TEXT, chain=CHAIN, transaction=HEX32, gas=NUMBER, gas_price_wei=maybe(DECIMAL), fee_wei=maybe(DECIMAL)
)
_TOTAL = shape(chain=CHAIN, gas=NUMBER, fee_wei=maybe(DECIMAL))
EXPLANATION = shape(
    **ROW_FIELDS,
    where=TEXT,
    by=maybe(_BY),
    attempts=NUMBER,
    tried=listed(_ATTEMPT),
    cost=shape(steps=listed(_COST), total=listed(_TOTAL)),
)
SUBMISSION = shape(
    id=HEX32,
    chain=CHAIN,
    state={"enum": ["waiting", "mined", "failed", "lost"]},
    messages=listed(HEX32),
    at=NUMBER,
    final={"type": "boolean"},
)
SUBMIT: Schema = {
    "oneOf": [
        shape(log=shape(chain=CHAIN, transaction=HEX32)),
        shape(signed_transaction=shape(chain=CHAIN, raw=HEX)),
    ]
}
_END = shape(chain=CHAIN, genesis=HEX32, gateway=ACCOUNT)
_FULL_MESSAGE = shape(
    id=HEX32,
    version=NUMBER,
    kind=NUMBER,
    lane=HEX32,
    generation=NUMBER,
    sequence=DECIMAL,
    sender=ACCOUNT,
    recipient=ACCOUNT,
    expiry=DECIMAL,
    gas_limit=DECIMAL,
    payload=HEX,
    payload_digest=HEX32,
    origin=_END,
    destination=_END,
)
_CERTIFICATE = shape(
    **{"for": ACCOUNT},
    root=HEX32,
    index=NUMBER,
    size=NUMBER,
    proof=listed(HEX32),
    epoch=NUMBER,
    signatures=HEX,
    signed=HEX32,
)
_PLACE = {"chain": CHAIN, "block": NUMBER, "block_hash": HEX32, "transaction": HEX32}
PROOF = shape(
    message=_FULL_MESSAGE,
    certificate=maybe(_CERTIFICATE),
    multiproof=maybe(shape(indices=listed(NUMBER), size=NUMBER, proof=listed(HEX32))),
    tx_receipt=shape(**_PLACE, header=HEX, proof=listed(HEX), transaction_index=NUMBER, log_index=NUMBER),
    call=maybe(shape(to=ACCOUNT, data=HEX)),
)
_VERDICT = shape(
    id=HEX32,
    epoch=NUMBER,
    origin_block=HEX32,
    commit_block=HEX32,
    commit_transaction=HEX32,
    checked_from=NUMBER,
    verdict=NUMBER,
    executed=FLAG,
    outcome=HEX32,
    policy=NUMBER,
    origin_log=NUMBER,
    commit_log=NUMBER,
)
CREDENTIAL = shape(
    id=HEX32,
    state=TEXT,
    registry=ACCOUNT,
    credential=HEX32,
    certificate=maybe(_CERTIFICATE),
    verdict=_VERDICT,
    signatures=HEX,
    signed=HEX32,
    recorded=shape(**_PLACE),
    commit=maybe(shape(**_PLACE)),
)
KIND: Schema = {"enum": list(KINDS)}
SUBSCRIBE = shape(("types", "after"), url=TEXT, types=listed(KIND), after=DECIMAL)
SUBSCRIPTION = shape(
    id=TEXT,
    url=TEXT,
    types=listed(KIND),
    state={"enum": ["active", "suspended"]},
    last_event=DECIMAL,
    failures=NUMBER,
    trouble=TEXT,
)
SUBSCRIPTIONS = shape(subscriptions=listed(SUBSCRIPTION))
EVENT: Schema = {
    "oneOf": [
        shape(
            ("executed", "state", "credential"),
            id=DECIMAL,
            type={"enum": list(KINDS[:-1])},
            message=HEX32,
            **_PLACE,
            log_index=NUMBER,
            time=NUMBER,
            executed=FLAG,
            state=TEXT,
            credential=HEX32,
        ),
        shape(id=DECIMAL, type={"const": KINDS[-1]}, chain=CHAIN, block={"type": "integer"}),
    ]
}
ABOUT = shape(
    chains=listed(shape(chain=CHAIN, name=TEXT, role=TEXT, genesis=HEX32, gateway=ACCOUNT)),
    registry=ACCOUNT,
    committee=shape(epoch=NUMBER, members=listed({"type": "string", "pattern": "^0x[0-9a-f]{40}$"}), quorum=NUMBER),
    webhook_key={"type": "string", "pattern": "^[0-9a-f]{64}$"},
    newest_event=DECIMAL,
)


def route(
    summary: str, answer: Schema, *, status: int = 200, body: Schema | None = None, query: dict[str, str] | None = None
) -> dict[str, Any]:
    """The keyword arguments by which a route describes itself."""
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": TEXT, "description": what}
        for name, what in (query or {}).items()
    ]
    extra: dict[str, Any] = {"parameters": parameters, "security": [{"key": []}]}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": TEXT})
    problem = {"description": "A problem (RFC 9457)", "content": {"application/problem+json": {"schema": PROBLEM}}}
    answered = {"description": summary, "content": {"application/json": {"schema": answer}}}
    return {
        "summary": summary,
        "status_code": status,
        "responses": {status: answered, "4XX": problem},
        "openapi_extra": extra,
    }
