import {
  Agent,
  createServer,
  type IncomingMessage,
  request as send,
  type ServerResponse,
} from "node:http";
import { collect } from "../../lib/bytes/source.ts";

/**
 * A mishap of a request: `refused` with the status 503 before it reaches the
 * server; the connection is `cut` before that, or `cut-late` after half of the
 * answer's body; or the server carries the request out, and its answer is
 * `lost`.
 */
export type Mishap = "refused" | "cut" | "cut-late" | "lost";

/** A request that the proxy received. */
export interface Passing {
  method: string;
  /** The path and query. */
  url: string;
  /** The headers of the request. */
  headers: IncomingMessage["headers"];
  /** The number of bytes of the request's body. */
  sent: number;
  /** The status of the answer; 0 until it is known. */
  status: number;
  /** The number of bytes of the answer's body. */
  received: number;
  /** The mishap of the request. */
  mishap?: Mishap;
}

/** Options for a proxy. */
export interface ProxyOptions {
  /** The round-trip time of a request, in milliseconds. */
  latency?: number;
  /** Returns the mishap of a request. */
  mishap?: (passing: Passing) => Mishap | undefined;
}

/** A proxy that counts requests. */
export interface Proxy {
  /** The address of the proxy, which replaces that of the server. */
  address: string;
  /** All requests, in order. */
  passed: Passing[];
  /** The maximum number of concurrent requests. */
  most: number;
}

/**
 * Runs `work` with a proxy in front of a server. The proxy counts requests,
 * delays them and makes some of them fail.
 */
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
        // The client has signed the host name that it used.
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
