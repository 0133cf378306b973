// An IPFS node of another make, in memory: those calls of Kubo's RPC that the media store makes, over the UnixFS
// implementation of the JavaScript world. Prints its port, and ends when its standard input does.
import { createServer } from "node:http";
import { MemoryBlockstore } from "blockstore-core";
import { exporter } from "ipfs-unixfs-exporter";
import { importFile } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced } from "ipfs-unixfs-importer/layout";
import { CID } from "multiformats/cid";

const blocks = new MemoryBlockstore();
const pinned = new Set();

async function whole(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** The one file in a multipart body. */
function file(body, type) {
  const edge = Buffer.from(`--${/boundary=(\S+)/.exec(type)[1]}`);
  const begins = body.indexOf("\r\n\r\n") + 4;
  return body.subarray(begins, body.lastIndexOf(edge) - 2);
}

/** The blocks that an object consists of, its root first. */
async function* dag(cid) {
  yield cid;
  if (cid.code !== 0x70) return;
  const node = await exporter(cid, blocks);
  for (const link of node.node?.Links ?? []) yield* dag(link.Hash);
}

const CALLS = {
  async add(query, request) {
    const data = file(await whole(request), request.headers["content-type"]);
    const size = Number(query.get("chunker").replace("size-", ""));
    const added = await importFile({ content: data }, blocks, {
      cidVersion: Number(query.get("cid-version")),
      rawLeaves: query.get("raw-leaves") === "true",
      chunker: fixedSize({ chunkSize: size }),
      layout: balanced({ maxChildrenPerNode: Number(query.get("max-file-links")) }),
      reduceSingleLeafToSelf: true,
    });
    if (query.get("pin") === "true") pinned.add(added.cid.toString());
    return JSON.stringify({ Name: "object", Hash: added.cid.toString(), Size: String(data.length) });
  },
  async cat(query) {
    const found = await exporter(CID.parse(query.get("arg")), blocks);
    const offset = Math.min(Number(query.get("offset")), Number(found.size));
    const length = Math.min(Number(query.get("length")), Number(found.size) - offset);
    return length > 0 ? whole(found.content({ offset, length })) : "";
  },
  async "block/get"(query) {
    return whole(await blocks.get(CID.parse(query.get("arg"))));
  },
  async "block/stat"(query) {
    const block = await whole(await blocks.get(CID.parse(query.get("arg"))));
    return JSON.stringify({ Key: query.get("arg"), Size: block.length });
  },
  async "pin/rm"(query) {
    if (!pinned.delete(query.get("arg"))) throw new Error("not pinned or pinned indirectly");
    return JSON.stringify({ Pins: [query.get("arg")] });
  },
  async "pin/ls"() {
    return [...pinned].map((cid) => `${JSON.stringify({ Cid: cid, Type: "recursive" })}\n`).join("");
  },
  async "repo/gc"() {
    const kept = new Set();
    for (const root of pinned) for await (const cid of dag(CID.parse(root))) kept.add(cid.multihash.digest.toString());
    const gone = [];
    for await (const { cid } of blocks.getAll()) if (!kept.has(cid.multihash.digest.toString())) gone.push(cid);
    for (const cid of gone) await blocks.delete(cid);
    return "";
  },
};

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://node");
  try {
    const answer = await CALLS[url.pathname.replace("/api/v0/", "")](url.searchParams, request);
    response.writeHead(200).end(answer);
  } catch (error) {
    const message = error.name === "NotFoundError" ? "block was not found locally (offline)" : String(error.message);
    response.writeHead(500).end(JSON.stringify({ Message: message, Code: 0, Type: "error" }));
  }
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume().on("end", () => process.exit(0));
