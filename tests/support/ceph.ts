import { AwsV4Signer } from "aws4fetch";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { S3Storage } from "../../lib/storage/s3.ts";
import type { S3Options } from "../../lib/storage/s3_client.ts";
import { needs } from "./peer.ts";
import { freePorts } from "./ports.ts";

/**
 * Options for a test that needs Ceph. The test is skipped if Ceph is not
 * installed.
 */
export const NEEDS_CEPH: { skip?: string; timeout: number } = {
  ...needs("bash", "ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "radosgw"),
  timeout: 600_000,
};

const SCRIPT = fileURLToPath(new URL("ceph.sh", import.meta.url));

/** A running Ceph cluster with its S3 gateway. */
export interface Ceph {
  /** The address of the gateway. */
  endpoint: string;
  /** The access key of its only user. */
  accessKeyId: string;
  /** The secret key of this user. */
  secretAccessKey: string;
}

let running: Promise<Ceph> | undefined;

/**
 * Returns the Ceph cluster of this process, which the first call starts. The
 * cluster ends with the process, even if the process is killed: its script
 * reads from a pipe that the process holds.
 */
export function ceph(): Promise<Ceph> {
  return running ??= start(3);
}

/** Returns a storage in a new bucket. */
export async function cephStorage(
  more: Partial<S3Options> = {},
): Promise<S3Storage> {
  return new S3Storage({ ...await cephBucket(), ...more });
}

/** Returns a new bucket, and the keys of its user. */
export async function cephBucket(): Promise<S3Options & Ceph> {
  const cluster = await ceph();
  const bucket = `test-${crypto.randomUUID()}`;
  const signed = await new AwsV4Signer({
    ...cluster,
    url: `${cluster.endpoint}/${bucket}`,
    method: "PUT",
    service: "s3",
    region: "us-east-1",
  }).sign();
  const { method, url, headers } = signed;
  const answer = await fetch(url, { method, headers });
  if (!answer.ok) throw new Error(`no bucket: ${await answer.text()}`);
  await answer.body?.cancel();
  return { ...cluster, bucket };
}

async function start(attempts: number): Promise<Ceph> {
  const [monitor, gateway] = await freePorts(2);
  const keys = {
    accessKeyId: `ACCESS${crypto.randomUUID()}`,
    secretAccessKey: `SECRET${crypto.randomUUID()}`,
  };
  const folder = mkdtempSync(join(tmpdir(), "deltar-ceph-"));
  const words = [SCRIPT, folder, `${monitor}`, `${gateway}`];
  const child = spawn("bash", [...words, ...Object.values(keys)], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  try {
    await isReady(child);
  } catch (error) {
    if (attempts > 1) return start(attempts - 1);
    throw error;
  }
  return { endpoint: `http://127.0.0.1:${gateway}`, ...keys };
}

/**
 * Resolves when the gateway is ready. From then on, the child does not keep
 * this process alive.
 */
function isReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (data: Uint8Array) => {
      // The further output has to be read, because the child would block at a
      // full pipe.
      if (said.length < 100_000) said += new TextDecoder().decode(data);
      if (!said.includes("the gateway is ready")) return;
      child.unref();
      for (const pipe of [child.stdin, child.stdout, child.stderr]) {
        (pipe as unknown as { unref?: () => void }).unref?.();
      }
      resolve();
    };
    child.stdout!.on("data", hear);
    child.stderr!.on("data", hear);
    child.once("error", reject);
    child.once("exit", (code) => {
      reject(new Error(`Ceph ended with ${code}: ${said.slice(-3000)}`));
    });
    process.once("exit", () => child.stdin!.end());
  });
}
