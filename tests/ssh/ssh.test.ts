import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { readAllowedSigners } from "../../lib/ssh/allowed_signers.ts";
import {
  makeKeyPair,
  readPrivateKey,
  readSignature,
  sign,
  verify,
} from "../../lib/ssh/mod.ts";
import { needs } from "../support/peer.ts";
import { withTemp } from "../support/temp.ts";

const message = new TextEncoder().encode("a message\nof two lines\n");

test(
  "ssh-keygen reads the keys and checks the signatures",
  needs("ssh-keygen"),
  async () => {
    await withTemp(async (folder) => {
      const file = path.join(folder, "key");
      fs.writeFileSync(file, await makeKeyPair("a machine"), { mode: 0o600 });
      const key = await readPrivateKey(fs.readFileSync(file, "utf8"));
      const shown = execFileSync("ssh-keygen", ["-y", "-f", file], {
        encoding: "utf8",
      });
      assert.equal(shown.trim(), `${key.publicKey} a machine`);
      const text = await sign(message, key, "deltar");
      const signature = path.join(folder, "signature");
      fs.writeFileSync(signature, text);
      const signers = path.join(folder, "signers");
      fs.writeFileSync(signers, `m1 namespaces="deltar" ${key.publicKey}\n`);
      const check = (namespace: string, input: Uint8Array) =>
        spawnSync("ssh-keygen", [
          ...["-Y", "verify", "-f", signers, "-I", "m1", "-n", namespace],
          ...["-s", signature],
        ], { input }).status;
      assert.equal(check("deltar", message), 0);
      assert.notEqual(check("deltar", message.subarray(1)), 0);
      assert.notEqual(check("git", message), 0);
      assert.deepEqual(
        readAllowedSigners(fs.readFileSync(signers, "utf8"), "deltar"),
        [{ name: "m1", publicKey: key.publicKey }],
      );
    });
  },
);

test(
  "verify() accepts what ssh-keygen signed, and refuses everything else",
  needs("ssh-keygen"),
  async () => {
    await withTemp(async (folder) => {
      const file = path.join(folder, "key");
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
      const key = await readPrivateKey(fs.readFileSync(file, "utf8"));
      const text = execFileSync(
        "ssh-keygen",
        ["-Y", "sign", "-f", file, "-n", "deltar"],
        { input: message, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] },
      );
      const signature = readSignature(text);
      assert.equal(signature.publicKey, key.publicKey);
      assert.equal(await verify(message, signature, "deltar"), true);
      assert.equal(await verify(message, signature, "other"), false);
      assert.equal(
        await verify(message.subarray(1), signature, "deltar"),
        false,
      );
      for (let at = 0; at < signature.bytes.length; at++) {
        const bytes = signature.bytes.slice();
        bytes[at] ^= 1;
        const changed = { ...signature, bytes };
        assert.equal(await verify(message, changed, "deltar"), false);
      }
      const other = await readPrivateKey(await makeKeyPair(""));
      const claimed = { ...signature, publicKey: other.publicKey };
      assert.equal(await verify(message, claimed, "deltar"), false);
    });
  },
);

test("damaged keys and signatures are refused, whichever byte is changed", async () => {
  const text = await makeKeyPair("");
  for (let at = 0; at < text.length; at += 7) {
    await assert.rejects(readPrivateKey(text.slice(0, at)), {
      code: "corrupt",
    });
  }
  await assert.rejects(readPrivateKey(text.replace("b", "*")), {
    code: "corrupt",
  });
  const key = await readPrivateKey(text);
  const signature = await sign(message, key, "deltar");
  for (let at = 0; at < signature.length - 1; at++) {
    assert.throws(() => readSignature(signature.slice(0, at)), {
      code: "corrupt",
    });
  }
});

test(
  "keys with a passphrase or of another kind are unsupported",
  needs("ssh-keygen"),
  async () => {
    await withTemp(async (folder) => {
      const make = (name: string, ...options: string[]) => {
        const file = path.join(folder, name);
        execFileSync("ssh-keygen", ["-q", ...options, "-f", file]);
        return readPrivateKey(fs.readFileSync(file, "utf8"));
      };
      await assert.rejects(make("a", "-t", "ed25519", "-N", "secret"), {
        code: "unsupported",
        message: /passphrase/,
      });
      await assert.rejects(make("b", "-t", "ecdsa", "-N", ""), {
        code: "unsupported",
        message: /Ed25519/,
      });
    });
  },
);

test("readAllowedSigners() reads OpenSSH's format", () => {
  const key = `ssh-ed25519 ${"A".repeat(68)}`;
  assert.throws(() => readAllowedSigners(`m ${key}`, "deltar"));
  assert.throws(() => readAllowedSigners("m", "deltar"), {
    code: "corrupt",
    message: /line 1/,
  });
  assert.throws(
    () => readAllowedSigners(`\nm cert-authority ${key}`, "deltar"),
    { code: "corrupt", message: /line 2/ },
  );
  assert.deepEqual(
    readAllowedSigners(
      '# a\n\nm ssh-rsa AAAA\nm namespaces="git" ' + key,
      "deltar",
    ),
    [],
  );
});
