import type { IncomingMessage } from "node:http";
import { DeltarError } from "../../lib/bytes/errors.ts";
import { collect } from "../../lib/bytes/source.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { withServer } from "./server.ts";

/**
 * Runs `work` with an S3 service that has one bucket, `bucket`, with the
 * objects of a storage. It accepts any key and objects of up to 5 MiB, and
 * stores no metadata. This is sufficient for small repositories.
 */
export async function withS3Server(
  storage: Storage,
  work: (endpoint: string) => Promise<void>,
): Promise<void> {
  await withServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, "http://x");
    const [, bucket, ...rest] = decodeURIComponent(pathname).split("/");
    const name = rest.join("/");
    const body = await bodyOf(request);
    try {
      if (bucket !== "bucket") throw absent(bucket);
      if (name === "") {
        const text = await listing(storage, searchParams.get("prefix") ?? "");
        response.writeHead(200, { "content-type": "application/xml" })
          .end(text);
      } else if (request.method === "PUT") {
        const ifAbsent = request.headers["if-none-match"] === "*";
        await storage.put(name, body, { ifAbsent });
        response.writeHead(200).end();
      } else if (request.method === "DELETE") {
        await storage.delete(name);
        response.writeHead(204).end();
      } else {
        let bytes = await collect(storage.get(name));
        const head: Record<string, string | number> = { etag: '"1"' };
        const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
        if (range !== null && Number(range[1]) >= bytes.length) {
          return void response.writeHead(416, {
            "content-range": `bytes */${bytes.length}`,
          }).end(fault("InvalidRange"));
        }
        if (range !== null) {
          const from = Number(range[1]);
          const to = Math.min(Number(range[2] || Infinity) + 1, bytes.length);
          head["content-range"] = `bytes ${from}-${to - 1}/${bytes.length}`;
          bytes = bytes.subarray(from, to);
        }
        head["content-length"] = bytes.length;
        response.writeHead(range === null ? 200 : 206, head);
        response.end(request.method === "HEAD" ? undefined : bytes);
      }
    } catch (error) {
      const { code } = error as { code?: string };
      const [status, word] = code === "not-found"
        ? [404, "NoSuchKey"] as const
        : code === "exists"
        ? [412, "PreconditionFailed"] as const
        : [400, "InvalidRequest"] as const;
      response.writeHead(status, { "content-type": "application/xml" });
      response.end(request.method === "HEAD" ? undefined : fault(word));
    }
  }, work);
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of request) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

async function listing(storage: Storage, prefix: string): Promise<string> {
  let text = "<ListBucketResult>";
  for await (const { name, size } of storage.list(prefix)) {
    const key = encodeURIComponent(name);
    text += `<Contents><Key>${key}</Key><Size>${size}</Size></Contents>`;
  }
  return `${text}<IsTruncated>false</IsTruncated></ListBucketResult>`;
}

function fault(code: string): string {
  return `<Error><Code>${code}</Code><Message>${code}</Message></Error>`;
}

function absent(object: string): DeltarError {
  return new DeltarError("not-found", "no such bucket", { object });
}
