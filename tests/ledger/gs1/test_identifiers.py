"""GS1 identifiers: one thing, however it is written; and every way of writing it wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import BadInput, Problem, WrongUse
from ledger.gs1 import Level, check_digit, epc_uri, from_ais, goods_key, is_uri, lot, parse, unit
from ledger.gs1.characters import CHARACTER_SET_39, CHARACTER_SET_82
from ledger.gs1.epc_uri import SCHEMES
from ledger.gs1.keys import KEYS, QUALIFIERS

GTIN = "04012345123456"
VALUE_82 = st.text(alphabet=sorted(CHARACTER_SET_82), min_size=1, max_size=20)
DIGITS = st.text(alphabet="0123456789", min_size=1, max_size=12)

SAME = [  # EPC URI, canonical Digital Link, element string, level
    ("urn:epc:id:sgtin:4012345.012345.A1", f"/01/{GTIN}/21/A1", f"(01){GTIN}(21)A1", Level.INSTANCE),
    ("urn:epc:class:lgtin:4012345.012345.998877", f"/01/{GTIN}/10/998877", f"(01){GTIN}(10)998877", Level.LOT),
    ("urn:epc:idpat:sgtin:4012345.012345.*", f"/01/{GTIN}", f"(01){GTIN}", Level.CLASS),
    ("urn:epc:id:upui:4012345.012345.x9", f"/01/{GTIN}/235/x9", f"(01){GTIN}(235)x9", Level.INSTANCE),
    ("urn:epc:id:sscc:0614141.1234567890", "/00/106141412345678908", "(00)106141412345678908", Level.INSTANCE),
    ("urn:epc:id:sgln:0614141.07346.0", "/414/0614141073467", "(414)0614141073467", Level.PLACE),
    ("urn:epc:id:sgln:0614141.07346.1234", "/414/0614141073467/254/1234", "(414)0614141073467(254)1234", Level.PLACE),
    ("urn:epc:id:pgln:0614141.00777", "/417/0614141007776", "(417)0614141007776", Level.PARTY),
    ("urn:epc:id:grai:4012345.55555.987", "/8003/04012345555554987", "(8003)04012345555554987", Level.INSTANCE),
    ("urn:epc:idpat:grai:4012345.55555.*", "/8003/04012345555554", "(8003)04012345555554", Level.CLASS),
    ("urn:epc:id:giai:4000001.111", "/8004/4000001111", "(8004)4000001111", Level.INSTANCE),
    ("urn:epc:id:gdti:0614141.00001.1618034", "/253/06141410000121618034", "(253)06141410000121618034", Level.INSTANCE),
    ("urn:epc:id:sgcn:4012345.67890.04711", "/255/401234567890104711", "(255)401234567890104711", Level.INSTANCE),
    ("urn:epc:id:gsrn:0614141.0000010253", "/8018/061414100000102534", "(8018)061414100000102534", Level.PARTY),
    ("urn:epc:id:gsrnp:0614141.0000010253", "/8017/061414100000102534", "(8017)061414100000102534", Level.PARTY),
    ("urn:epc:id:gsin:4012345.123456789", "/402/40123451234567894", "(402)40123451234567894", Level.OTHER),
    ("urn:epc:id:ginc:4012345.xyz47%2F11", "/401/4012345xyz47%2F11", "(401)4012345xyz47/11", Level.OTHER),
    (
        "urn:epc:id:cpi:4012345.5PQ7%2FZ43.12345",
        "/8010/40123455PQ7%2FZ43/8011/12345",
        "(8010)40123455PQ7/Z43(8011)12345",
        Level.INSTANCE,
    ),
    ("urn:epc:idpat:cpi:4012345.5PQ7.*", "/8010/40123455PQ7", "(8010)40123455PQ7", Level.CLASS),
    (
        "urn:epc:id:itip:4012345.012345.01.02.987",
        f"/8006/{GTIN}0102/21/987",
        f"(8006){GTIN}0102(21)987",
        Level.INSTANCE,
    ),
]


@pytest.mark.parametrize(("urn", "path", "elements", "level"), SAME, ids=[row[0][8:] for row in SAME])
def test_one_thing_is_one_identifier_in_all_three_writings(urn: str, path: str, elements: str, level: Level) -> None:
    found = parse(urn)
    assert found.normal == f"https://id.gs1.org{path}"
    assert found.element_string() == elements
    assert found.level is level
    assert parse(f"https://id.gs1.org{path}") == found == parse(elements) == parse(f"http://a.example/x/y{path}?17=1#z")
    assert epc_uri(found) == urn
    assert epc_uri(parse(elements), prefix_length=found.prefix_length) == urn


def test_every_scheme_and_every_key_of_the_tables_stands_in_the_list_above() -> None:
    assert {row[0].split(":")[3] for row in SAME} == set(SCHEMES)
    assert {row[1].split("/")[1] for row in SAME} == set(KEYS)


def test_a_gtin_of_8_12_or_13_digits_is_the_same_as_its_14() -> None:
    for short in ("95200002", "614141007349", "4012345123456"):
        assert parse(f"https://id.gs1.org/01/{short}") == parse(f"(01){short.rjust(14, '0')}")


def test_a_digital_link_does_not_say_where_the_prefix_ends_and_nobody_guesses() -> None:
    found = parse(f"https://id.gs1.org/01/{GTIN}/10/A")
    assert found.prefix_length is None
    for length in (None, 5, 13):
        with pytest.raises(WrongUse) as refusal:
            epc_uri(found, prefix_length=length)
        assert refusal.value.code == "GS1_PREFIX_LENGTH"
    assert epc_uri(found, prefix_length=7) == "urn:epc:class:lgtin:4012345.012345.A"


def test_a_unit_is_the_same_with_and_without_its_lot_and_keeps_what_was_said() -> None:
    with_lot = parse(f"https://tea.example/qr/01/{GTIN}/22/2A/10/L7/21/S1")
    bare = unit(GTIN, "S1")
    assert with_lot == bare
    assert hash(with_lot) == hash(bare)
    assert with_lot.lot() == lot(GTIN, "L7")
    assert bare.lot() is None
    assert bare.kind() == parse(f"(01){GTIN}")
    assert with_lot.digital_link("https://tea.example/qr/") == f"https://tea.example/qr/01/{GTIN}/21/S1"
    assert with_lot.digital_link("https://t.example", with_lot=True) == f"https://t.example/01/{GTIN}/10/L7/21/S1"
    assert unit(GTIN, "S1", lot="L7").lot() == lot(GTIN, "L7")


def test_lots_and_serials_are_compared_letter_by_letter() -> None:
    assert lot(GTIN, "ab") != lot(GTIN, "AB")
    assert lot(GTIN, "007") != lot(GTIN, "7")


@given(VALUE_82, VALUE_82)
def test_any_allowed_value_survives_every_writing(code: str, serial: str) -> None:
    for found in (lot(GTIN, code), unit(GTIN, serial)):
        assert parse(found.normal).ais == found.ais
        assert parse(found.element_string()).ais == found.ais
        assert parse(found.digital_link("http://a.example:8080/b")).ais == found.ais
        assert is_uri(found.normal)
        written = epc_uri(found, prefix_length=7)
        assert is_uri(written)
        assert parse(written).ais == found.ais


@given(st.text(alphabet=sorted(CHARACTER_SET_39), min_size=1, max_size=23), DIGITS)
def test_any_component_survives_every_writing(reference: str, serial: str) -> None:
    found = from_ais([("8010", "401234" + reference), ("8011", serial)])
    assert parse(found.normal).ais == found.ais == parse(found.element_string()).ais
    assert parse(epc_uri(found, prefix_length=6)).ais == found.ais


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_by_code(text: str) -> None:
    for candidate in (text, "urn:epc:id:" + text, "https://id.gs1.org/" + text, "(01)" + text):
        try:
            found = parse(candidate)
        except BadInput as refusal:
            assert refusal.code in {"GS1_SYNTAX", "GS1_LENGTH", "GS1_CHECK_DIGIT"}
        else:
            assert parse(found.normal) == found


def test_the_check_digit_catches_every_single_wrong_digit_of_the_gtin() -> None:
    assert check_digit("629104150021") == "3"  # the worked example of the General Specifications
    for place in range(14):
        for digit in "0123456789":
            wrong = GTIN[:place] + digit + GTIN[place + 1 :]
            if wrong != GTIN:
                with pytest.raises(BadInput) as refusal:
                    parse(f"(01){wrong}")
                assert refusal.value.code == "GS1_CHECK_DIGIT"
    assert parse(f"(01){GTIN}").level is Level.CLASS


REFUSED = [
    ("GS1_SYNTAX", ""),
    ("GS1_SYNTAX", "tea"),
    ("GS1_SYNTAX", "4012345123456"),
    ("GS1_SYNTAX", "https://id.gs1.org/"),
    ("GS1_SYNTAX", "https://id.gs1.org/99/123"),
    ("GS1_LENGTH", "https://id.gs1.org/01/123"),
    ("GS1_SYNTAX", "https://id.gs1.org/01/0401234512345x"),
    ("GS1_CHECK_DIGIT", f"https://shop.example/01/{GTIN[:-1]}5"),
    ("GS1_SYNTAX", f"https://id.gs1.org/01/{GTIN}/21/S/10/L"),  # qualifiers out of order
    ("GS1_SYNTAX", f"https://id.gs1.org/01/{GTIN}/10/L/10/L"),
    ("GS1_SYNTAX", f"https://id.gs1.org/01/{GTIN}/21/S/235/T"),  # two serials
    ("GS1_SYNTAX", f"https://id.gs1.org/01/{GTIN}/254/1"),  # another key's qualifier
    ("GS1_LENGTH", f"(01){GTIN}(10)"),
    ("GS1_LENGTH", f"(01){GTIN}(10)" + "1" * 21),
    ("GS1_LENGTH", f"(01){GTIN}(21)" + "1" * 21),
    ("GS1_SYNTAX", f"(01){GTIN}(10)a b"),
    ("GS1_SYNTAX", f"(01){GTIN}(10)茶"),
    ("GS1_SYNTAX", f"https://id.gs1.org/01/{GTIN}/10/%E8%8C%B6"),
    ("GS1_SYNTAX", f"https://id.gs1.org/01/{GTIN}/10/%00"),
    ("GS1_SYNTAX", f"(01){GTIN}(10)A(B"),  # an unescaped bracket that opens no AI
    ("GS1_SYNTAX", "(01)" + "".join(chr(0xFF10 + int(digit)) for digit in GTIN)),  # full-width digits
    ("GS1_SYNTAX", "(10)L(01)" + GTIN),  # a qualifier first
    ("GS1_SYNTAX", "(8003)14012345555554"),  # a GRAI without its filler
    ("GS1_SYNTAX", f"(8006){GTIN}0302"),  # piece 3 of 2
    ("GS1_SYNTAX", "urn:epc:id:lgtin:4012345.012345.1"),  # a lot is a class, not an id
    ("GS1_SYNTAX", "urn:epc:class:sgtin:4012345.012345.1"),
    ("GS1_SYNTAX", "urn:epc:idpat:sgtin:4012345.012345.7"),
    ("GS1_SYNTAX", "urn:epc:idpat:sgtin:4012345.*.*"),
    ("GS1_SYNTAX", "urn:epc:idpat:sscc:4012345.*"),
    ("GS1_SYNTAX", "urn:epc:id:nothing:1.2.3"),
    ("GS1_SYNTAX", "urn:epc:id:sgtin:4012345.012345"),
    ("GS1_LENGTH", "urn:epc:id:sgtin:4012345.012345."),
    ("GS1_LENGTH", "urn:epc:id:sgtin:4012345.01234.1"),
    ("GS1_LENGTH", "urn:epc:id:sgtin:40123.01234567.1"),
    ("GS1_LENGTH", "urn:epc:id:sscc:4012345.123456789"),
    ("GS1_SYNTAX", "urn:epc:id:sgtin:4012345.012345.a/b"),  # must be written %2F
    ("GS1_SYNTAX", "urn:epc:id:sgtin:401234a.012345.1"),
    ("GS1_SYNTAX", "urn:epc:id:sgtin:4012345.01234x.1"),
    ("GS1_LENGTH", "https://a.example/" + "a" * 2048),
]


@pytest.mark.parametrize(("code", "text"), REFUSED)
def test_what_claims_to_be_gs1_and_is_not_is_refused(code: str, text: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse(text)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/01/31",  # a date in a path
        "https://shop.example/2025/01/31",
        "https://shop.example/8004/chair",
        f"https://shop.example/tea?01={GTIN}",
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "urn:epcglobal:cbv:bt:0614141073467:1152",
        "urn:epc:id:gid:95100000.12345.400",
    ],
)
def test_an_address_that_only_looks_like_gs1_stays_what_it_is(text: str) -> None:
    found = parse(text)
    assert found.normal == text
    assert found.ais == ()
    for write in (found.digital_link, found.element_string):
        with pytest.raises(WrongUse) as refusal:
            write()
        assert refusal.value.code == "GS1_NOT_A_KEY"


def test_a_lot_named_like_an_element_string_stays_a_lot() -> None:
    tricky = lot(GTIN, "A(21)B")
    assert tricky.element_string() == f"(01){GTIN}(10)A\\(21)B"
    assert parse(tricky.element_string()).level is Level.LOT
    assert parse(f"(01){GTIN}(10)A(21)B").level is Level.INSTANCE


def test_the_tables_bound_lot_and_serial_at_20_characters_of_set_82() -> None:
    assert len(CHARACTER_SET_82) == 82
    assert len(CHARACTER_SET_39) == 39
    assert QUALIFIERS["10"].longest == QUALIFIERS["21"].longest == 20


class TestGoodsKey:
    """The same pile under two papers is the same key; anything that is no pile has none."""

    KEY = goods_key(lot(GTIN, "998877"))

    def test_is_pinned(self) -> None:
        assert self.KEY.hex() == "4548bbac605afb38f02daccfe639866d5f47e616d881e670313eec38b04ff108"

    @pytest.mark.parametrize(
        "text",
        [
            "urn:epc:class:lgtin:4012345.012345.998877",
            f"https://id.gs1.org/01/{GTIN}/10/998877",
            "http://tea.example/p/01/4012345123456/10/998877?linkType=all",
            f"https://tea.example/01/{GTIN}/10/99%38877",
            f"(01){GTIN}(10)998877",
            f"https://tea.example/01/{GTIN}/10/998877/21/S1",
        ],
    )
    def test_is_the_same_for_every_writing_of_the_lot(self, text: str) -> None:
        assert goods_key(parse(text)) == self.KEY

    @pytest.mark.parametrize("other", [lot(GTIN, "998878"), lot("04012345111118", "998877"), lot(GTIN, "0998877")])
    def test_differs_for_another_lot_or_product(self, other: object) -> None:
        assert goods_key(other) != self.KEY  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "text",
        [
            f"(01){GTIN}",
            f"(01){GTIN}(21)S1",
            "(00)106141412345678908",
            f"(8006){GTIN}0102(10)998877",
            "https://bank.example/pile/7",
        ],
    )
    def test_is_refused_for_what_is_no_lot(self, text: str) -> None:
        with pytest.raises(Problem) as refusal:
            goods_key(parse(text))
        assert refusal.value.code == "GOODS_NOT_A_LOT"
