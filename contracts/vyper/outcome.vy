# pragma version 0.4.3
"""
@title Outcomes: what an application answers to a message, as ASCII text in one word
@license Apache-2.0
@notice A refusal by an application is an outcome, not a revert: it is final, it is proven and it is acknowledged.
        Literals, because Vyper's constants must be; `tests/contracts/test_outcomes.py` compares each with its text.
"""

RESERVED: constant(bytes32) = 0x7265736572766564000000000000000000000000000000000000000000000000  # "reserved"
GOODS_TAKEN: constant(bytes32) = 0x676f6f647320616c726561647920726573657276656400000000000000000000  # "goods already reserved"
RELEASED: constant(bytes32) = 0x72656c6561736564000000000000000000000000000000000000000000000000  # "released"
NOT_HELD: constant(bytes32) = 0x6e6f742068656c642062792074686973206c6f616e0000000000000000000000  # "not held by this loan"
FROZEN: constant(bytes32) = 0x66726f7a656e0000000000000000000000000000000000000000000000000000  # "frozen"
ENFORCED: constant(bytes32) = 0x656e666f72636564000000000000000000000000000000000000000000000000  # "enforced"
NO_RECEIPT: constant(bytes32) = 0x6e6f207375636820726563656970740000000000000000000000000000000000  # "no such receipt"
OTHER_GOODS: constant(bytes32) = 0x7265636569707420697320666f72206f7468657220676f6f6473000000000000  # "receipt is for other goods"
NO_CONSENT: constant(bytes32) = 0x686f6c64657220686173206e6f7420636f6e73656e7465640000000000000000  # "holder has not consented"
ALREADY_FROZEN: constant(bytes32) = 0x7265636569707420616c72656164792066726f7a656e00000000000000000000  # "receipt already frozen"
MIRRORED: constant(bytes32) = 0x6d6972726f726564000000000000000000000000000000000000000000000000  # "mirrored"
OLDER: constant(bytes32) = 0x6f6c646572207468616e20746865206d6972726f720000000000000000000000  # "older than the mirror"
MINTED: constant(bytes32) = 0x6d696e7465640000000000000000000000000000000000000000000000000000  # "minted"
NO_BENEFICIARY: constant(bytes32) = 0x6e6f20737563682062656e656669636961727900000000000000000000000000  # "no such beneficiary"
NOT_BACKED: constant(bytes32) = 0x76616c7565206973206e6f74206261636b656400000000000000000000000000  # "value is not backed"
BAD_TERMS: constant(bytes32) = 0x7465726d73206e6f7420756e64657273746f6f64000000000000000000000000  # "terms not understood"
NOT_FUNDED: constant(bytes32) = 0x706179657220686173206e6f742066756e646564206974000000000000000000  # "payer has not funded it"

# What the transaction registry answers where no application did; an application that says so itself is not believed.
EXPIRED: constant(bytes32) = 0x6578706972656400000000000000000000000000000000000000000000000000  # "expired"
VOID: constant(bytes32) = 0x766f696400000000000000000000000000000000000000000000000000000000  # "void"
WITHHELD: constant(bytes32) = 0x6e6f7420666f7220616e206170706c69636174696f6e20746f20736179000000  # "not for an application to say"

# What the pledge registry notes where nobody answered.
CANCELLED: constant(bytes32) = 0x63616e63656c6c656420627920697473206c656e646572000000000000000000  # "cancelled by its lender"
