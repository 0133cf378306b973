// Long work in short pieces, so that the page stays quick to the finger: between two pieces the browser draws and listens.

const PIECE_MS = 30;
let begun = null;

/** Let the browser do what waits, where this piece of work has lasted long enough. A message is not slowed in the background, a timer is. */
export async function breathe() {
  begun ??= performance.now();
  if (performance.now() - begun < PIECE_MS) return;
  const { port1, port2 } = new MessageChannel();
  await new Promise((done) => {
    port1.onmessage = done;
    port2.postMessage(null);
  });
  port1.close();
  begun = performance.now();
}

/** What `work` makes of each item, the page staying quick in between. */
export async function mapped(items, work) {
  const made = [];
  for (const item of items) {
    made.push(work(item));
    await breathe();
  }
  return made;
}
