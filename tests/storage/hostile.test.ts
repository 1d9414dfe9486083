import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test } from "node:test";
import { collect } from "../../lib/bytes/source.ts";
import { Repository } from "../../lib/repository/repository.ts";
import { HttpStorage } from "../../lib/storage/http.ts";
import { MemoryStorage } from "../../lib/storage/memory.ts";
import { S3Storage } from "../../lib/storage/s3.ts";
import { withServer } from "../support/server.ts";
import { withWebServer } from "../support/web_server.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

function html(response: ServerResponse, text: string): void {
  response.writeHead(200, { "content-type": "text/html" });
  response.end(text);
}

function s3(endpoint: string): S3Storage {
  return new S3Storage({
    bucket: "bucket",
    accessKeyId: "key",
    secretAccessKey: "secret",
    endpoint,
    patience: 1000,
  });
}

/** Fails if the work takes so long that it may never end. */
async function soon<Result>(work: Promise<Result>): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it takes too long")), 30_000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const list = (storage: HttpStorage | S3Storage) =>
  soon(Array.fromAsync(storage.list()));

test("HttpStorage.list() reads a page of unfinished links in one pass [A10]", async () => {
  for (
    const page of [
      "<a ".repeat(1_000_000),
      "<a ".repeat(1_000_000) + ">",
      `<a href="`.repeat(300_000),
      `<a ${" ".repeat(3_000_000)}href="x">`,
      "<a href='x' <a ".repeat(200_000),
    ]
  ) {
    await withServer((_, response) => html(response, page), async (address) => {
      await assert.rejects(list(new HttpStorage(address)), {
        name: "DeltarError",
        code: "io",
        message: /does not list it/,
      });
    });
  }
});

test("HttpStorage.list() refuses an endless number of folders [A10]", async () => {
  const pages: Answer[] = [
    (_, response) => html(response, `<a href="a/">`),
    (_, response) => html(response, `<a href="a/"><a href="b/"><a href="c/">`),
  ];
  for (const page of pages) {
    await withServer(page, async (address) => {
      await assert.rejects(list(new HttpStorage(address)), {
        name: "DeltarError",
        code: "limit",
        message: /folders/,
      });
    });
  }
});

test("HttpStorage.list() refuses an endless page [A10]", async () => {
  const endless: Answer = (_, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    const part = `<a href="../">`.repeat(10_000);
    const more = () => {
      while (!response.destroyed && response.write(part));
    };
    response.on("drain", more);
    more();
  };
  await withServer(endless, async (address) => {
    await assert.rejects(list(new HttpStorage(address)), {
      name: "DeltarError",
      code: "limit",
    });
  });
});

test("HttpStorage.list() refuses a page of many objects that do not exist [A10]", async () => {
  const page = (missing: number) =>
    Array.from({ length: missing }, (_, at) => `<a href="l${at}">`).join("") +
    Array.from({ length: 10 }, (_, at) => `<a href="o${at}">`).join("");
  for (const missing of [1000, 30_000]) {
    let asked = 0;
    const storage = new HttpStorage("http://x/", {
      fetch: (url, { method } = {}) => {
        asked++;
        const isThere = /\/o\d$/.test(String(url));
        return Promise.resolve(
          method === "HEAD"
            ? new Response(null, {
              status: isThere ? 200 : 404,
              headers: { "content-length": "5" },
            })
            : new Response(page(missing), {
              headers: { "content-type": "text/html" },
            }),
        );
      },
    });
    // Some objects may have been deleted since the page was made.
    if (missing === 1000) assert.equal((await list(storage)).length, 10);
    else {
      await assert.rejects(list(storage), {
        name: "DeltarError",
        code: "io",
        message: /lists \d+ objects that it does not have/,
      });
    }
    assert.ok(asked < 1100, `${asked} requests`);
  }
});

test("HttpStorage.list() accepts all kinds of links that servers write", async () => {
  const page = `<html><head><title>Index of /x</title></head>
    <A HREF='a'>a</A> <a class=b href=b>b</a> <a title="c" href="./c">c</a>
    <a href="/x/d">d</a> <a href="e%20e?x=1#y">e e</a> <a href="%ff">no</a>
    <a href="https://elsewhere.example/x/f">f</a> <a href="../g">g</a>`;
  await withServer((request, response) => {
    if (request.url!.endsWith("/")) return html(response, page);
    response.writeHead(200, { "content-length": 1 });
    response.end(request.method === "HEAD" ? undefined : "x");
  }, async (address) => {
    const found = await list(new HttpStorage(`${address}/x`));
    const names = found.map(({ name }) => name).sort();
    assert.deepEqual(names, ["a", "b", "c", "d", "e e"]);
  });
});

test("HttpStorage refuses circular redirects [A10]", async () => {
  await withServer((request, response) => {
    response.writeHead(302, { location: request.url! }).end();
  }, async (address) => {
    const storage = new HttpStorage(address);
    await assert.rejects(soon(collect(storage.get("x"))), {
      name: "DeltarError",
      code: "io",
      message: /redirects endlessly/,
    });
  });
});

test("a transfer that is slower than the minimum rate is ended [A10]", async () => {
  const trickle: Answer = (request, response) => {
    const isObject = !request.url!.includes("list-type");
    response.writeHead(isObject ? 206 : 200, {
      "content-type": "text/html",
      ...isObject && {
        "content-range": `bytes ${request.headers.range!.slice(6)}/1000000`,
      },
    });
    const timer = setInterval(() => response.write(" "), 50);
    response.on("close", () => clearInterval(timer));
  };
  await withServer(trickle, async (address) => {
    const storages = [
      new HttpStorage(address, { patience: 1000 }),
      s3(address),
    ];
    const slow = {
      name: "DeltarError",
      code: "io",
      message: /fewer than 1024 bytes a second/,
    };
    await Promise.all(storages.map(async (storage) => {
      await assert.rejects(soon(collect(storage.get("x"))), slow);
    }));
    await assert.rejects(list(s3(address)), slow);
  });
});

test("a slow reader does not count as a slow server [A10]", async () => {
  const behind = new MemoryStorage();
  await behind.put("x", new Uint8Array(20_000_000));
  await withWebServer(behind, async (address) => {
    const storage = new HttpStorage(address, { patience: 500 });
    let size = 0;
    for await (const part of storage.get("x")) {
      size += part.length;
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
    assert.equal(size, 20_000_000);
  });
});

test("Repository.open() refuses endless settings [A8, A10]", async () => {
  const endless: Answer = (request, response) => {
    const isWhole = !request.headers.range;
    response.writeHead(206, {
      "content-range":
        `bytes ${isWhole ? 0 : request.headers.range!.slice(6)}` +
        "/9007199254740991",
    });
    const part = "{".repeat(100_000);
    const more = () => {
      while (!response.destroyed && response.write(part));
    };
    response.on("drain", more);
    more();
  };
  await withServer(endless, async (address) => {
    const storage = new HttpStorage(address);
    await assert.rejects(soon(Repository.open(storage)), {
      name: "DeltarError",
    });
  });
});

/** Returns a page of an S3 list. */
function s3Page(keys: string[], token?: string): string {
  const contents = keys.map((key) =>
    `<Contents><Key>${key}</Key><Size>1</Size></Contents>`
  );
  return `<?xml version="1.0"?><ListBucketResult>
    <IsTruncated>${token !== undefined}</IsTruncated>${contents.join("")}
    ${token ? `<NextContinuationToken>${token}</NextContinuationToken>` : ""}
    </ListBucketResult>`;
}

test("S3Storage.list() refuses endless lists [A10]", async () => {
  let count = 0;
  const pages: Record<string, () => string> = {
    "the same token": () => s3Page(["x"], "same"),
    "two tokens in turns": () => s3Page([`x${count}`], `t${count++ % 2}`),
    "new tokens, the same keys": () => s3Page(["x", "y"], `t${count++}`),
    "new tokens, no keys": () => s3Page([], `t${count++}`),
  };
  for (const [what, page] of Object.entries(pages)) {
    await withServer((_, response) => response.end(page()), async (address) => {
      await assert.rejects(list(s3(address)), {
        name: "DeltarError",
        code: "limit",
        message: /listing does not end/,
      }, what);
    });
  }
  const cut = s3Page(["x"], "");
  await withServer((_, response) => response.end(cut), async (address) => {
    await assert.rejects(list(s3(address)), {
      name: "DeltarError",
      code: "io",
      message: /listing is incomplete/,
    });
  });
});

test("S3Storage.tidy() follows a long list of uploads, but not an endless one [A10]", async () => {
  /** Returns a page with one upload. `next` is the number of the next page. */
  const page = (at: number, next?: number) =>
    `<ListMultipartUploadsResult><IsTruncated>${next !== undefined}` +
    `</IsTruncated><Upload><Key>x</Key><UploadId>u${at}</UploadId>` +
    "<Initiated>2030-01-01T00:00:00Z</Initiated></Upload>" +
    (next === undefined ? "" : `<NextKeyMarker>x</NextKeyMarker>` +
      `<NextUploadIdMarker>u${next}</NextUploadIdMarker>`) +
    "</ListMultipartUploadsResult>";
  let count = 0;
  const long: Answer = (_, response) => {
    const at = count++;
    response.end(at < 1500 ? page(at, at + 1) : page(at));
  };
  await withServer(long, (address) => soon(s3(address).tidy(0)));
  assert.equal(count, 1501);
  const endless: Answer = (_, response) => void response.end(page(0, count++));
  await withServer(endless, async (address) => {
    await assert.rejects(soon(s3(address).tidy(0)), {
      name: "DeltarError",
      code: "limit",
    });
  });
});

test("S3Storage.list() ignores keys that are not valid text [A10]", async () => {
  const page = s3Page(["%ff", "a%2", "b", "%C3%A9", "-1"])
    .replace("<Size>1</Size></Contents>\n", "<Size>-1</Size></Contents>");
  await withServer((_, response) => response.end(page), async (address) => {
    const names = (await list(s3(address))).map(({ name }) => name);
    assert.deepEqual(names.slice(0, 2), ["b", "é"]);
  });
});

test("S3Storage refuses answers with more tags than a list can have [A10]", async () => {
  for (const tag of ["<a/>", "<Contents/>", "<!---->"]) {
    const page = `<ListBucketResult>${tag.repeat(300_000)}</ListBucketResult>`;
    await withServer((_, response) => response.end(page), async (address) => {
      await assert.rejects(list(s3(address)), { name: "DeltarError" });
    });
  }
});

/** Runs work with a repository on a web server that does not list folders. */
async function withListless(
  answer: (path: string, response: ServerResponse) => void,
  work: (address: string) => Promise<void>,
): Promise<void> {
  const behind = new MemoryStorage();
  await Repository.create(behind);
  await withServer(async (request, response) => {
    const path = decodeURIComponent(request.url!).slice(1);
    if (path === "" || path.endsWith("/")) return answer(path, response);
    try {
      const bytes = await collect(behind.get(path));
      response.writeHead(206, {
        "content-range": `bytes 0-${bytes.length - 1}/${bytes.length}`,
        "content-length": bytes.length,
      });
      response.end(request.method === "HEAD" ? undefined : bytes);
    } catch {
      response.writeHead(404).end();
    }
  }, work);
}

test("snapshots() fails if the server lists no folders, and does not return an empty list [L3]", async () => {
  const answers: Record<
    string,
    (path: string, response: ServerResponse) => void
  > = {
    "404": (_, response) => void response.writeHead(404).end(),
    "the same page for every path": (_, response) =>
      html(response, "<h1>Welcome</h1>"),
    "only the first is listed": (path, response) =>
      path === ""
        ? html(response, `<a href="snapshots/">`)
        : void response.writeHead(404).end(),
    "an unrelated page": (path, response) =>
      path === ""
        ? html(response, `<a href="/">home</a>`)
        : void response.writeHead(404).end(),
  };
  for (const [what, answer] of Object.entries(answers)) {
    await withListless(answer, async (address) => {
      const repository = await Repository.open(new HttpStorage(address));
      const listless = {
        name: "DeltarError",
        code: "io",
        message: /folder listings on the server \(nginx/,
      };
      await assert.rejects(repository.snapshots(), listless, what);
      const copy = await Repository.create(new MemoryStorage());
      await assert.rejects(repository.copyTo(copy, []), listless, what);
      await assert.rejects(repository.verify(), listless, what);
    });
  }
});

test("folders that a server lists nowhere count as absent, without an error [L3]", async () => {
  await withListless((path, response) => {
    if (path !== "") return void response.writeHead(404).end();
    html(response, `<title>Index of /</title><a href="deltar.json">`);
  }, async (address) => {
    const repository = await Repository.open(new HttpStorage(address));
    assert.deepEqual(await repository.snapshots(), []);
    const { damage } = await repository.verify();
    assert.deepEqual(damage, []);
  });
});
