import { HttpStorage, Repository } from "../../mod.ts";
import { patchBytes } from "../../lib/delta/mod.ts";

/** Runs the test in the browser, and shows the result on the page. */
async function show(
  address: string,
  keys: string[],
): Promise<Record<string, unknown>> {
  const storage = new HttpStorage(address);
  const repository = await Repository.open(storage, { keys });
  const record = await repository.find("latest");
  const read = async (path: string) => {
    const stream = await repository.readFile(record, path);
    const bytes = await new Response(stream).arrayBuffer();
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join(
      "",
    );
  };
  const entries = (await Array.fromAsync(repository.entries(record))).flat();
  const [first] = await repository.snapshots();
  const diff = await repository.diff(first, record);
  const response = await fetch("/app/delta");
  const delta = new Uint8Array(await response.arrayBuffer());
  return {
    signer: record.signer,
    paths: entries.map(({ path }) => path),
    kinds: entries.map(({ kind }) => kind),
    holes: entries.filter(({ sparse }) => sparse !== undefined)
      .map(({ path, sparse }) => `${path}: ${sparse}`),
    xattrs: entries.map(({ xattrs }) => Object.keys(xattrs ?? {}))
      .filter((names) => names.length > 0),
    verified: await repository.verify({ data: true }).then((
      { files, sparse, special, damage },
    ) => [files, sparse, special, damage.length]),
    refused: await read("pipe").catch((error) => error.message),
    changes: diff.changes.map((change) => change.change),
    small: await read("folder/small.txt"),
    large: await read("large.bin"),
    sparse: await read("sparse"),
    patched: new TextDecoder().decode(
      patchBytes(new TextEncoder().encode("an old text"), delta),
    ),
  };
}

Object.assign(globalThis, { show });
