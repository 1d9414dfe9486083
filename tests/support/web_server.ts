import { createServer, type ServerResponse } from "node:http";
import { collect } from "../../lib/bytes/source.ts";
import type { Storage } from "../../lib/storage/storage.ts";

/** Options that make a web server differ from a suitable one. */
export interface WebServerOptions {
  /** Whether ranges are ignored. */
  withoutRanges?: boolean;
  /** Whether folders are not listed. */
  withoutLists?: boolean;
  /** The required user and password, separated by `:`. */
  login?: string;
}

/**
 * Runs work with a web server that shows the objects of a storage as rclone and
 * nginx do.
 */
export async function withWebServer(
  storage: Storage,
  work: (address: string) => Promise<void>,
  options: WebServerOptions = {},
): Promise<void> {
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    const path = decodeURIComponent(new URL(url!, "http://x").pathname)
      .slice("/some folder/".length);
    const { login } = options;
    if (login && headers.authorization !== `Basic ${btoa(login)}`) {
      return void response.writeHead(401).end();
    }
    const isFolder = path === "" || path.endsWith("/");
    if (isFolder) {
      return void await listFolder(storage, path, response, options);
    }
    let bytes: Uint8Array;
    try {
      bytes = await collect(storage.get(path));
    } catch {
      return void response.writeHead(404).end();
    }
    const range = options.withoutRanges
      ? null
      : /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "");
    const size = bytes.length;
    const head: Record<string, string | number> = { etag: '"1"' };
    if (range !== null && Number(range[1]) >= size) {
      return void response.writeHead(416).end();
    }
    if (range !== null) {
      const to = Math.min(Number(range[2]) + 1, size);
      head["content-range"] = `bytes ${range[1]}-${to - 1}/${size}`;
      bytes = bytes.subarray(Number(range[1]), to);
    }
    head["content-length"] = bytes.length;
    response.writeHead(range === null ? 200 : 206, head);
    response.end(method === "HEAD" ? undefined : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    await work(`http://127.0.0.1:${port}/some%20folder`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function listFolder(
  storage: Storage,
  folder: string,
  response: ServerResponse,
  { withoutLists }: WebServerOptions,
): Promise<void> {
  const names = new Set<string>();
  for await (const { name } of storage.list(folder)) {
    const rest = name.slice(folder.length);
    const slash = rest.indexOf("/");
    names.add(slash < 0 ? rest : rest.slice(0, slash + 1));
  }
  if (withoutLists) return void response.writeHead(403).end();
  if (names.size === 0 && folder !== "") {
    return void response.writeHead(404).end();
  }
  const links = [...names].map((name) =>
    `<li><a class="x" href="./${
      name.split("/").map(encodeURIComponent).join("/")
    }">…</a></li>`
  );
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
  response.end(`<a href="../">up</a><a href="?sort=name">by name</a>
    <a href="https://elsewhere.example/x">home</a>${links.join("")}`);
}
