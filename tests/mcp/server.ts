import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { COMMAND, type Place } from "../cli/helpers.ts";

/** The answer of a tool. */
export interface ToolAnswer {
  text: string;
  // deno-lint-ignore no-explicit-any
  data: any;
  isError: boolean;
}

/** Options for starting a server. */
interface ServerOptions {
  /** The arguments of `deltar mcp`. */
  words?: string[];
  /** The current directory of the server. Default: the root. */
  cwd?: string;
  /** The version of the protocol. Default: the newest. */
  isLegacy?: boolean;
  /** Returns the answer of the user. By default, the client cannot ask. */
  person?: (question: string) => object;
}

/** A running server, connected to the official client. */
export class McpHost {
  readonly client: Client;
  readonly questions: string[] = [];
  readonly #transport: StdioClientTransport;

  constructor(
    place: Place,
    { words = [], cwd = place.root, isLegacy, person }: ServerOptions,
  ) {
    const [command, ...args] = [...COMMAND, "mcp", ...words];
    this.#transport = new StdioClientTransport({
      command,
      args,
      cwd,
      env: place.env,
      stderr: "ignore",
    });
    this.client = new Client({ name: "test", version: "1" }, {
      capabilities: person === undefined ? {} : { elicitation: { form: {} } },
      versionNegotiation: { mode: isLegacy ? "legacy" : "auto" },
    });
    if (person === undefined) return;
    this.client.setRequestHandler("elicitation/create", ({ params }) => {
      this.questions.push(params.message);
      // deno-lint-ignore no-explicit-any
      return person(params.message) as any;
    });
  }

  async connect(): Promise<void> {
    await this.client.connect(this.#transport);
  }

  /** Calls a tool. */
  async call(name: string, input: object = {}): Promise<ToolAnswer> {
    const { content, structuredContent, isError } = await this.client.callTool({
      name: `deltar_${name}`,
      arguments: { ...input },
    });
    const text = content.map((part) => part.type === "text" ? part.text : "")
      .join("\n");
    return { text, data: structuredContent, isError: isError ?? false };
  }
}

/** Calls `work` with a server for the root of a place. */
export async function withServer(
  place: Place,
  work: (host: McpHost) => Promise<void>,
  options: ServerOptions = {},
): Promise<void> {
  const host = new McpHost(place, options);
  await host.connect();
  try {
    await work(host);
  } finally {
    await host.client.close();
  }
}
