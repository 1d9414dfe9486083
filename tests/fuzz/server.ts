/**
 * A server that gives hostile answers. The number in the path selects the kind
 * of answer, which is the same every time. The server runs as a separate
 * process.
 */
import { Buffer } from "node:buffer";
import * as fs from "node:fs";
import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import * as zlib from "node:zlib";
import { type Objects, objectsIn } from "./model.ts";
import { Random } from "./random.ts";

/** The kinds of hostile answers. `none` serves a repository without changes. */
const WAYS = [
  "none",
  "many tags",
  "endless folders",
  "endless page",
  "odd names",
  "odd lengths",
  "odd ranges",
  "odd type",
  "other bytes",
  "compressed",
  "endless object",
  "moved",
  "many links",
  "short",
] as const;
const S3_WAYS = [
  "none",
  "same token",
  "new tokens",
  "odd keys",
  "odd sizes",
  "deep xml",
  "entities",
  "not xml",
  "endless xml",
  "odd lengths",
  "other bytes",
  "short",
] as const;

type Way = typeof WAYS[number] | typeof S3_WAYS[number];

/** Names that are unusual in an address or a listing. */
const NAMES = [
  "%ff",
  "%",
  "%2e%2e/%2e%2e/x",
  "../..",
  "//evil",
  "http://127.0.0.1:1/x",
  "a%00b",
  "x".repeat(5000),
  "snapshots/%ff.json",
  "&amp;&#x110000;&bad;",
  "snapshots/../../x",
  "javascript:1",
];

function respond(
  request: IncomingMessage,
  response: ServerResponse,
  objects: Objects,
): void {
  const url = new URL(request.url!, "http://x");
  const [, kind, number, ...rest] = url.pathname.split("/");
  const random = new Random(Number(number), 77);
  const way: Way = kind === "s3" ? random.pick(S3_WAYS) : random.pick(WAYS);
  let name: string;
  try {
    name = decodeURIComponent(rest.join("/"));
  } catch {
    name = rest.join("/");
  }
  response.on("error", () => {});
  if (kind === "s3" && url.searchParams.has("list-type")) {
    list(request, response, objects, way, random, url);
  } else if (kind !== "s3" && (name === "" || name.endsWith("/"))) {
    page(request, response, objects, way, random, name);
  } else {object(
      request,
      response,
      objects.get(name.replace(/^bucket\//, "")),
      way,
      random,
    );}
}

/** Writes as long as the client reads, but at most 200 MB. */
function endless(response: ServerResponse, part: () => string): void {
  let sent = 0;
  const write = () => {
    while (sent < 200e6 && !response.destroyed) {
      const text = part();
      sent += text.length;
      if (!response.write(text)) {
        response.once("drain", write);
        return;
      }
    }
    response.end();
  };
  write();
}

function page(
  request: IncomingMessage,
  response: ServerResponse,
  objects: Objects,
  way: Way,
  random: Random,
  folder: string,
): void {
  const type = way === "odd type"
    ? random.pick(["text/plain", "", "text/html; charset=x", "x".repeat(5000)])
    : "text/html";
  response.writeHead(200, { "content-type": type });
  if (request.method === "HEAD") return void response.end();
  if (way === "many tags") {
    return void response.end(
      random.pick(["<a ", "<a href=", '<a x="', "<a\n"]).repeat(800_000),
    );
  }
  if (way === "endless page") {
    return endless(
      response,
      () => `<a href="x${Math.random()}">x</a>`.repeat(1000),
    );
  }
  if (way === "endless folders") {
    const names = Array.from(
      { length: random.pick([1, 3]) },
      (_, n) => `d${n}`,
    );
    return void response.end(
      names.map((name) => `<a href="${name}/">x</a>`).join("") +
        '<a href="snapshots/">x</a>',
    );
  }
  const names = new Set<string>();
  for (const name of objects.keys()) {
    if (!name.startsWith(folder)) continue;
    const next = name.slice(folder.length);
    const slash = next.indexOf("/");
    names.add(slash < 0 ? next : next.slice(0, slash + 1));
  }
  if (way === "odd names") { for (const name of NAMES) names.add(name); }
  if (way === "many links") {
    for (let at = 0; at < 3000; at++) names.add(`l${at}`);
  }
  response.end(
    [...names].map((name) => `<a href="${name}">${name}</a>\n`).join(""),
  );
}

function object(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array | undefined,
  way: Way,
  random: Random,
): void {
  if (way === "moved") {
    response.writeHead(302, {
      location: random.pick([
        request.url!,
        `${request.url}x`,
        "http://127.0.0.1:1/",
        "file:///etc/hostname",
        "x".repeat(10_000),
      ]),
    });
    return void response.end();
  }
  if (way === "endless object" && random.chance(0.8)) {
    response.writeHead(200, { "content-type": "application/json" });
    if (request.method === "HEAD") return void response.end();
    return endless(response, () => "x".repeat(65_536));
  }
  if (bytes === undefined) {
    response.writeHead(404);
    return void response.end();
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  let from = Number(range?.[1] ?? 0);
  const to = Math.min(Number(range?.[2] || bytes.length - 1), bytes.length - 1);
  let body = Buffer.from(bytes.subarray(from, to + 1));
  const headers: Record<string, string> = { etag: '"x"' };
  let total: number | string = bytes.length;
  if (way === "odd ranges") {
    from += random.below(3);
    total = random.pick([bytes.length + 1, "*", 0, "9".repeat(30), -1]);
  }
  if (way === "other bytes") {
    for (let n = 0; n < 3 && body.length > 0; n++) {
      body[random.below(body.length)] ^= 1;
    }
  }
  if (way === "short") body = body.subarray(0, body.length >> 1);
  if (way === "compressed") {
    headers["content-encoding"] = "gzip";
    body = zlib.gzipSync(
      random.chance(0.5) ? new Uint8Array(50 << 20) : body,
    ) as Buffer<ArrayBuffer>;
  }
  const isPart = range !== null &&
    !(way === "odd ranges" && random.chance(0.3));
  if (isPart) headers["content-range"] = `bytes ${from}-${to}/${total}`;
  headers["content-length"] = way === "odd lengths"
    ? random.pick(["0", "1", "99999999999999", "5"])
    : String(body.length);
  try {
    response.writeHead(isPart ? 206 : 200, headers);
    if (request.method === "HEAD") response.end();
    else {
      response.write(body);
      // The client waits in vain for the bytes of a length that is too large.
      if (way === "odd lengths") request.socket.end();
      else response.end();
    }
  } catch {
    response.destroy();
  }
}

function list(
  _request: IncomingMessage,
  response: ServerResponse,
  objects: Objects,
  way: Way,
  random: Random,
  url: URL,
): void {
  response.writeHead(200, { "content-type": "application/xml" });
  const prefix = url.searchParams.get("prefix") ?? "";
  const keys = [...objects.keys()].filter((name) => name.startsWith(prefix));
  if (way === "odd keys") keys.push(...NAMES, "", "/", "..");
  const sizes = ["-1", "1e9", "x", "9".repeat(40), ""];
  const contents = keys.map((key) => {
    const size = way === "odd sizes"
      ? random.pick(sizes)
      : objects.get(key)?.length ?? 1;
    const quoted = way === "odd keys" && !objects.has(key)
      ? key
      : encodeURIComponent(key);
    return `<Contents><Key>${quoted}</Key><Size>${size}</Size></Contents>`;
  }).join("");
  if (way === "not xml") {
    return void response.end(random.pick(["", "<", "<html>", "{}", "\0"]));
  }
  if (way === "endless xml") {
    response.write("<ListBucketResult>");
    return endless(response, () => contents.repeat(20) || "<x/>".repeat(1000));
  }
  if (way === "deep xml") {
    return void response.end("<a>".repeat(random.pick([1000, 100_000])));
  }
  if (way === "entities") {
    const entities = Array.from(
      { length: 12 },
      (_, n) => `<!ENTITY e${n + 1} "${`&e${n};`.repeat(10)}">`,
    );
    return void response.end(
      `<!DOCTYPE x [<!ENTITY e0 "x">${entities.join("")}]>` +
        `<ListBucketResult><Contents><Key>&e12;</Key></Contents></ListBucketResult>`,
    );
  }
  const isEndless = way === "same token" || way === "new tokens";
  const token = way === "same token" ? "again" : `t${Math.random()}`;
  response.end(
    `<?xml version="1.0"?><ListBucketResult>` +
      `<EncodingType>url</EncodingType>` +
      `<IsTruncated>${isEndless}</IsTruncated>` +
      (isEndless
        ? `<NextContinuationToken>${token}</NextContinuationToken>`
        : "") +
      `${contents}</ListBucketResult>`,
  );
}

const objects = objectsIn(process.argv[2]);
const server = createServer((request, response) =>
  respond(request, response, objects)
);
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  fs.writeSync(1, `${port}\n`);
});
// The server ends when the process that started it ends.
process.stdin.on("end", () => process.exit()).resume();
