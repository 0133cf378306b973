// The two ways in which a check does not end well. `Refusal`: what was shown is false. `Unavailable`: nothing can be said.
// May never happen here: one taken for the other. A page turns red for the first and never for the second.

/** Something does not hold. `code`: stable, as in the Python rules; `where`: which entry, key or piece. */
export class Refusal extends Error {
  constructor(code, what, where = "") {
    super(`${code}: ${what}${where === "" ? "" : ` (${where})`}`);
    this.name = "Refusal";
    this.code = code;
    this.what = what;
    this.where = String(where);
  }
}

/** It could not be checked: the server gave nothing, or this browser lacks what is needed. */
export class Unavailable extends Error {
  constructor(code, what) {
    super(`${code}: ${what}`);
    this.name = "Unavailable";
    this.code = code;
  }
}

/** Throw a `Refusal` unless `held`. */
export function require(held, code, what, where = "") {
  if (!held) throw new Refusal(code, what, where);
}
