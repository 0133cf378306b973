// The page on which a proof file is checked: where results are written, in the language the reader chose, at any time.
// Text goes in as text, never as markup.

export class Report {
  /** `words`: all languages by code; `language`: the one to begin with. */
  constructor(document, words, language) {
    Object.assign(this, { document, all: words, rows: new Map(), facts: [], notes: [], verdictSaid: null });
    this.checks = document.getElementById("checks");
    this.told = document.getElementById("told");
    this.speak(language);
  }

  /** Write everything in this language. */
  speak(language) {
    this.words = this.all[language];
    this.document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
    this.document.title = `${this.say("page.title")} · Pledgetrail`;
    for (const place of this.document.querySelectorAll("[data-say]")) place.textContent = this.say(place.dataset.say);
    for (const button of this.document.querySelectorAll("[data-language]")) {
      button.setAttribute("aria-pressed", String(button.dataset.language === language));
    }
    for (const [step, row] of this.rows) this.write(step, row);
    this.verdict(...(this.verdictSaid ?? ["idle", "page.none"]));
    this.list("#facts", this.facts);
    this.list("#notes", this.notes);
  }

  /** Forget the file before. `present`: the steps that this one has. */
  begin(present) {
    this.rows.clear();
    [this.facts, this.notes] = [[], []];
    for (const row of this.checks.querySelectorAll("[data-check]")) row.hidden = !present.includes(row.dataset.check);
    present.forEach((step) => this.tell(step, "waiting"));
    this.fingerprint("");
    this.checks.hidden = false;
    this.told.hidden = true;
    this.list("#notes", []);
    this.verdict("waiting", "verdict.checking");
  }

  /** Hide a step that this file has no part for. */
  leaveOut(step) {
    this.rows.delete(step);
    this.row(step).hidden = true;
  }

  /** One step's result: `state` is waiting, holds, refused or unchecked; `more`: [key, values] of what stands beside it. */
  tell(step, state, ...more) {
    this.rows.set(step, { state, more });
    this.write(step, this.rows.get(step));
  }

  /** The state in which a step is. */
  stateOf(step) {
    return this.rows.get(step)?.state;
  }

  write(step, { state, more }) {
    const row = this.row(step);
    row.dataset.state = state;
    row.querySelector(".state").textContent = this.say(`state.${state}`);
    row.querySelector(".more").textContent = more.map(([key, values]) => this.say(key, values)).join(" · ");
  }

  /** The one sentence at the top; one about a refusal interrupts a screen reader. */
  verdict(state, key, values = {}) {
    this.verdictSaid = [state, key, values];
    const banner = this.document.getElementById("verdict");
    this.document.body.dataset.verdict = state;
    banner.dataset.state = state;
    banner.setAttribute("aria-live", state === "refused" ? "assertive" : "polite");
    banner.querySelector(".sentence").textContent = this.say(key, values);
  }

  /** The trust root, in digits to compare. */
  fingerprint(digits) {
    const place = this.document.querySelector(".fingerprint");
    place.textContent = digits;
    place.parentElement.hidden = digits === "";
  }

  /** What the file proves: [key, values] each. */
  tellFacts(facts) {
    this.facts = facts;
    this.told.hidden = false;
    this.list("#facts", facts);
  }

  /** Something about another file that was dropped. */
  note(key, values) {
    this.notes = [...this.notes, [key, values]];
    this.list("#notes", this.notes);
  }

  list(place, entries) {
    const items = entries.map(([key, values]) => {
      const item = this.document.createElement("li");
      item.textContent = this.say(key, values);
      return item;
    });
    this.document.querySelector(place).replaceChildren(...items);
  }

  /** A sentence with its places filled; a value {key, values} is a sentence itself, with `short` only up to its colon. */
  say(key, values = {}) {
    const filled = (name) => {
      const value = values[name] ?? "";
      if (typeof value !== "object") return String(value);
      const said = this.say(value.key, value.values);
      return value.short ? said.split(/[:：]/)[0] : said;
    };
    return (this.words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => filled(name));
  }

  row(step) {
    return this.checks.querySelector(`[data-check="${step}"]`);
  }
}
