// Distinguished Encoding Rules (X.690), as far as timestamps and certificates need them: one spelling of each value, tags of
// one byte, definite lengths in their shortest form. An element is {tag, body, raw}. What is inside is read only where it is
// asked for, so the work is bounded by the length of the input, which whoever calls bounds.
// May never happen here: reading beyond an element's end, or a second spelling.

import { textOf } from "../bytes.mjs";
import { require } from "../refusal.mjs";

const CODE = "STAMP_FORMAT";
export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BITS = 0x03;
export const OCTETS = 0x04;
export const NULL = 0x05;
export const OID = 0x06;
export const UTF8 = 0x0c;
export const GENERAL_TIME = 0x18;
export const SEQUENCE = 0x30;
export const SET = 0x31;
const UTC_TIME = 0x17;
const MAX_LENGTH_BYTES = 3;
const MAX_OID_BYTES = 64;
const UTC_FORM = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const GENERAL_FORM = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d*[1-9]))?Z$/;

/** A context-specific tag: `[number]`, of something constructed unless told otherwise. */
export const tagged = (number, constructed = true) => 0x80 + (constructed ? 0x20 : 0) + number;

/** The one element that fills `raw`. Refuses STAMP_FORMAT. */
export function readDer(raw) {
  const element = elementAt(raw, 0);
  require(element.raw.length === raw.length, CODE, "bytes follow the end", `byte ${element.raw.length}`);
  return element;
}

/** The elements inside one of this tag. */
export function itemsOf(element, tag = SEQUENCE) {
  expect(element, tag);
  const items = [];
  for (let at = 0; at < element.body.length; ) {
    const item = elementAt(element.body, at);
    items.push(item);
    at += item.raw.length;
  }
  return items;
}

/** The elements of a SET OF, which stand in the order of their encodings. */
export function setOf(element, tag = SET) {
  const items = itemsOf(element, tag);
  const ordered = items.every((item, at) => at === 0 || !precedes(item.raw, items[at - 1].raw));
  require(ordered, CODE, "a set is out of order");
  return items;
}

/** The elements of a SEQUENCE, one after another, with what may be missing. */
export class Fields {
  constructor(element, tag = SEQUENCE) {
    [this.items, this.at] = [itemsOf(element, tag), 0];
  }

  /** The next one, which has this tag. */
  take(tag) {
    const found = this.maybe(tag);
    require(found !== null, CODE, `no element of tag ${tag} where one belongs`);
    return found;
  }

  /** The next one where it has this tag, else null. */
  maybe(tag) {
    const found = this.items[this.at];
    if (found === undefined || found.tag !== tag) return null;
    this.at += 1;
    return found;
  }

  /** The next one, whatever it is. */
  any() {
    require(this.at < this.items.length, CODE, "an element is missing");
    return this.items[this.at++];
  }

  /** Refuse what is left over. */
  end() {
    require(this.at === this.items.length, CODE, "an element has no place here");
  }
}

/** `element`, where it has this tag. */
export function expect(element, tag) {
  require(element.tag === tag, CODE, `an element has tag ${element.tag}, not ${tag}`);
  return element;
}

/** An object identifier, with its dots. */
export function oidOf(element) {
  const { body } = expect(element, OID);
  const whole = body.length > 0 && body.length <= MAX_OID_BYTES && body[body.length - 1] < 0x80;
  require(whole, CODE, "an object identifier is malformed");
  const arcs = [];
  let [value, begun] = [0n, false];
  for (const byte of body) {
    require(begun || byte !== 0x80, CODE, "an object identifier has a second spelling");
    value = (value << 7n) | BigInt(byte & 0x7f);
    begun = byte >= 0x80;
    if (!begun) {
      arcs.push(value);
      value = 0n;
    }
  }
  const first = arcs[0] < 80n ? arcs[0] / 40n : 2n;
  return [first, arcs[0] - 40n * first, ...arcs.slice(1)].join(".");
}

/** An integer's bytes in their shortest form, two's complement. */
export function integerBytes(element, tag = INTEGER) {
  const { body } = expect(element, tag);
  const extended = body.length > 1 && ((body[0] === 0 && body[1] < 0x80) || (body[0] === 0xff && body[1] >= 0x80));
  require(body.length > 0 && !extended, CODE, "an integer is not in its shortest form");
  return body;
}

/** A small integer that is not negative, as a Number. */
export function smallInteger(element, tag = INTEGER) {
  const body = integerBytes(element, tag);
  require(body.length <= 4 && body[0] < 0x80, CODE, "an integer is out of range");
  return body.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** Whether a BOOLEAN is true. */
export function flagOf(element) {
  const { body } = expect(element, BOOLEAN);
  require(body.length === 1 && (body[0] === 0 || body[0] === 0xff), CODE, "neither true nor false");
  return body[0] === 0xff;
}

/** The bytes of a BIT STRING without spare bits. */
export function bitsOf(element) {
  const { body } = expect(element, BITS);
  require(body.length > 0 && body[0] === 0, CODE, "a string of bits does not end at a byte");
  return body.slice(1);
}

/** The flags of a BIT STRING that names them: the first is bit 0. */
export function namedBits(element) {
  const { body } = expect(element, BITS);
  const spare = body[0];
  const whole = body.length > 0 && spare <= 7 && (body.length > 1 || spare === 0);
  require(whole, CODE, "a string of bits is malformed");
  const clean = body.length === 1 || (body[body.length - 1] & ((1 << spare) - 1)) === 0;
  require(clean, CODE, "spare bits are set");
  return (bit) => ((body[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0;
}

/** A UTCTime or GeneralizedTime in milliseconds. */
export function momentOf(element) {
  const general = element.tag === GENERAL_TIME;
  const text = textOf(expect(element, general ? GENERAL_TIME : UTC_TIME).body, CODE);
  const found = (general ? GENERAL_FORM : UTC_FORM).exec(text);
  require(found !== null, CODE, "a time is malformed");
  const [year, month, ...rest] = found.slice(1, 7).map(Number);
  const full = general ? year : year + (year < 50 ? 2000 : 1900);
  const moment = new Date(0);
  moment.setUTCFullYear(full, month - 1, rest[0]);
  moment.setUTCHours(rest[1], rest[2], rest[3], Math.floor(Number(`0.${found[7] ?? 0}`) * 1000));
  const spelt = moment.toISOString().slice(0, 19).replace(/\D/g, "");
  require(spelt === `${String(full).padStart(4, "0")}${text.slice(general ? 4 : 2, general ? 14 : 12)}`, CODE, "no such time");
  return moment.getTime();
}

function elementAt(raw, at) {
  require(at + 2 <= raw.length, CODE, "it ends in the middle");
  const tag = raw[at];
  require((tag & 0x1f) !== 0x1f, CODE, "a tag of several bytes has no place here");
  let [length, start] = [raw[at + 1], at + 2];
  if (length >= 0x80) {
    const count = length - 0x80;
    require(0 < count && count <= MAX_LENGTH_BYTES, CODE, "an indefinite or endless length");
    require(start + count <= raw.length, CODE, "it ends in the middle");
    length = raw.slice(start, start + count).reduce((sum, byte) => sum * 256 + byte, 0);
    const least = count === 1 ? 0x80 : 256 ** (count - 1);
    require(length >= least, CODE, "a length is not in its shortest form");
    start += count;
  }
  require(start + length <= raw.length, CODE, "an element reaches beyond the end");
  return { tag, body: raw.slice(start, start + length), raw: raw.slice(at, start + length) };
}

function precedes(left, right) {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) if (left[at] !== right[at]) return left[at] < right[at];
  return left.length < right.length;
}
