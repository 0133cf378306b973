// The page as the checks see it: what it shows, and where results are written. Text goes in as text, never as markup.

const ENTRIES = /^\d{1,15}(?: \d{1,15})*$/;

/** The results' place on the page and the words for them. `words`: of the reader's language. */
export class Page {
  constructor(document, words) {
    this.words = words;
    this.root = document.getElementById("checks");
    this.banner = document.getElementById("verdict");
    this.body = document.body;
    this.articles = [...document.querySelectorAll("article[data-entries]")];
    this.cards = [...document.querySelectorAll("article.series")];
  }

  /** Where the records are; null where the server has none to give. */
  get source() {
    return this.root?.dataset.records ?? null;
  }

  /** Recordings up to so many bytes are checked before they play. */
  get wholeBytes() {
    return Number(this.root.dataset.wholeBytes);
  }

  /** Larger pieces of longer recordings are checked chunk by chunk. */
  get chunkedBytes() {
    return Number(this.root.dataset.chunkedBytes);
  }

  /** Whether something was found to be false: no later result takes that back. */
  get refused() {
    return this.body.dataset.verdict === "refused";
  }

  /** Whether it says that something stood here and was erased: that is never the whole. */
  get erased() {
    return this.articles.some(({ dataset }) => dataset.kind === "erased");
  }

  /** The steps as the page shows them, each with its `article`; what a step should have and has not is empty. */
  steps() {
    return this.articles.filter(({ dataset }) => dataset.kind !== "erased").map((article) => ({
      article,
      filmed: article.dataset.kind === "filmed",
      entries: ENTRIES.test(article.dataset.entries) ? article.dataset.entries.split(" ").map(Number) : [],
      code: article.dataset.step,
      heading: article.querySelector("h3")?.textContent ?? "",
      from: article.querySelector("time")?.dateTime ?? "",
      video: article.querySelector("video"),
    }));
  }

  /** What sensors measured, as the page names it: each series with its `article` and the readings in it. */
  series() {
    return this.cards.map((article) => ({
      article,
      ...article.dataset,
      heading: article.querySelector("h3").textContent,
      unlogged: article.querySelector("[data-unlogged]") !== null,
      named: [...article.querySelectorAll("[data-entry]")].map((place) => ({
        entry: ENTRIES.test(place.dataset.entry) ? Number(place.dataset.entry) : NaN,
        text: (place.querySelector(".number") ?? place).textContent.trim(),
        at: place.querySelector("time")?.dateTime ?? null,
        why: place.dataset.why ?? "",
      })),
    }));
  }

  /** Whether the page has a place for a check's result. */
  has(step) {
    return this.root.querySelector(`[data-check="${step}"]`) !== null;
  }

  /** Write one check's result: `state` is waiting, holds, refused or unchecked; `more`: a text beside it. */
  tell(step, state, more = "") {
    write(this.root.querySelector(`[data-check="${step}"]`), state, this.words[`state.${state}`], more);
  }

  /** Write a step's own result. */
  tellStep(article, state, more) {
    write(article.querySelector(".checked"), state, this.words[`step-state.${state}`], more);
  }

  /** The one sentence at the top. A refusal colours the whole header and interrupts a screen reader. */
  verdict(state, sentence) {
    if (this.refused && state !== "refused") return;
    this.body.dataset.verdict = state;
    this.banner.dataset.state = state;
    this.banner.setAttribute("aria-live", state === "refused" ? "assertive" : "polite");
    this.banner.querySelector(".sentence").textContent = sentence;
  }

  /** The trust root, in digits to compare. */
  fingerprint(digits) {
    this.root.querySelector(".fingerprint").textContent = digits;
  }

  /** Offer to take over a changed trust root. `label`: what the button says, where it is not its usual sentence. */
  offer(onAccept, label = "") {
    const button = this.root.querySelector("button");
    if (label !== "") button.textContent = label;
    button.hidden = false;
    button.addEventListener("click", onAccept, { once: true });
  }

  /** A sentence with its places filled: `{name}`. */
  say(key, values = {}) {
    return (this.words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  }
}

function write(place, state, word, more) {
  place.dataset.state = state;
  place.querySelector(".state").textContent = word;
  place.querySelector(".more").textContent = more;
}
