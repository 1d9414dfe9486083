import {
  Agent,
  createServer,
  type IncomingMessage,
  request as send,
  type ServerResponse,
} from "node:http";
import { collect } from "../../lib/bytes/source.ts";

/**
 * A mishap of a request: it is `refused` with a status of 503 before it came
 * to the server; the connection is `cut` before, or half of the answer's body
 * is sent and then it is `cut-late`; or the server did what it should, and the
 * answer is `lost`.
 */
export type Mishap = "refused" | "cut" | "cut-late" | "lost";

/** A request that came by. */
export interface Passing {
  method: string;
  /** The path and query. */
  url: string;
  /** The headers as they came. */
  headers: IncomingMessage["headers"];
  /** Bytes of its body. */
  sent: number;
  /** The status, once it is known. */
  status: number;
  /** Bytes of the answer's body that came by. */
  received: number;
  /** Its mishap. */
  mishap?: Mishap;
}

/** Options for a proxy. */
export interface ProxyOptions {
  /** The round-trip time of a request, in milliseconds. */
  latency?: number;
  /** Returns the mishap of a request. */
  mishap?: (passing: Passing) => Mishap | undefined;
}

/** A proxy that counts. */
export interface Proxy {
  /** Its address, to be used in place of the server's. */
  address: string;
  /** All requests, in order. */
  passed: Passing[];
  /** The largest number of requests at once. */
  most: number;
}

/** Runs `work` with a proxy before a server, which counts, delays and harms. */
export async function withProxy<Result>(
  server: string,
  options: ProxyOptions,
  work: (proxy: Proxy) => Promise<Result>,
): Promise<Result> {
  const passed: Passing[] = [];
  const proxy: Proxy = { address: "", passed, most: 0 };
  let underWay = 0;
  const agent = new Agent({ keepAlive: true });
  const web = createServer((request, response) => {
    proxy.most = Math.max(proxy.most, ++underWay);
    pass(request, response).catch(() => request.socket.destroy())
      .finally(() => underWay--);
  });

  async function pass(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const passing: Passing = {
      method: request.method!,
      url: request.url!,
      headers: request.headers,
      sent: 0,
      status: 0,
      received: 0,
    };
    passed.push(passing);
    passing.mishap = options.mishap?.(passing);
    const { mishap } = passing;
    if (mishap === "cut") return void request.socket.destroy();
    const body = await collect(request);
    passing.sent = body.length;
    if (options.latency) {
      await new Promise((resolve) => setTimeout(resolve, options.latency));
    }
    if (mishap === "refused") {
      passing.status = 503;
      return void response.writeHead(503).end();
    }
    const { host: _, ...headers } = request.headers;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const forward = send(server + request.url, {
        method: request.method,
        // Signatures are made over the name that the client used.
        headers: { ...headers, host: request.headers.host! },
        agent,
      }, resolve);
      forward.on("error", reject);
      forward.end(body);
    });
    const content = await collect(answer);
    passing.status = answer.statusCode!;
    if (mishap === "lost") return void request.socket.destroy();
    const { "transfer-encoding": __, ...head } = answer.headers;
    response.writeHead(passing.status, {
      ...head,
      ...request.method !== "HEAD" && { "content-length": content.length },
    });
    if (mishap !== "cut-late") {
      passing.received = content.length;
      return void response.end(content);
    }
    passing.received = content.length >> 1;
    response.write(content.subarray(0, passing.received));
    setTimeout(() => request.socket.destroy(), 5);
  }

  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const { port } = web.address() as { port: number };
  try {
    proxy.address = `http://127.0.0.1:${port}`;
    return await work(proxy);
  } finally {
    agent.destroy();
    web.closeAllConnections();
    await new Promise((resolve) => web.close(resolve));
  }
}
