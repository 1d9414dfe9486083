import { parseXml, XmlElement } from "@rgrove/parse-xml";
import { DeltarError } from "../bytes/errors.ts";
import { PassingFault } from "./retry.ts";

/** A request that an S3 service refused, with the response. */
export interface Refusal {
  /** The HTTP method of the request. */
  method: string;
  /** The name of the object, if the request was for an object. */
  object: string | undefined;
  /** The location for messages: `s3://bucket` or `s3://bucket/prefix`. */
  bucket: string;
  /** The origin of the request's URL, for messages. */
  endpoint: string;
  /**
   * The HTTP status of the response, or 500 if the response has status 200 but
   * its body is an error.
   */
  status: number;
  /** The header fields of the response. */
  headers: Headers;
  /** The body of the response, without access keys. */
  text: string;
}

/** The length, in characters, above which a refusal's body is not parsed. */
const MAX_TEXT_CHARACTERS = 1 << 16;

/**
 * The messages for the error codes that the user can do something about. Each
 * message has the reason and the advice.
 */
const ADVICE: Record<string, string> = {
  AccessDenied:
    "access is denied; check AWS_ACCESS_KEY_ID and the permissions of its user. " +
    "If the user has no permission to list the bucket, the service also denies " +
    "access to objects that do not exist",
  AuthorizationHeaderMalformed:
    "the service refuses the signature, probably because of a wrong region; " +
    "set AWS_REGION to the bucket's region",
  ExpiredToken: "the session token has expired; get new keys, and set " +
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
  InvalidAccessKeyId:
    "the service does not know the access key; check AWS_ACCESS_KEY_ID and " +
    "AWS_ENDPOINT_URL",
  InvalidBucketName: "invalid bucket name; correct the name",
  InvalidToken: "invalid session token; check AWS_SESSION_TOKEN",
  NoSuchBucket: "no such bucket; create it or correct the name",
  NotImplemented:
    "the service does not support a request that deltar needs, such as a " +
    "conditional write (If-None-Match); use a service that supports it",
  PermanentRedirect:
    "the bucket is in a different region or has a different endpoint; set " +
    "AWS_REGION to the bucket's region, or AWS_ENDPOINT_URL to its endpoint",
  QuotaExceeded:
    "the quota is exceeded; raise the quota, or delete objects outside the " +
    "repository",
  SignatureDoesNotMatch:
    "the signature is wrong, probably because the secret key does not belong " +
    "to the access key; check AWS_SECRET_ACCESS_KEY",
};

/** The error codes that services use for temporary faults. */
const PASSING = new Set([
  "ConditionalRequestConflict",
  "ConcurrentModification",
  "InternalError",
  "OperationAborted",
  "RequestTimeout",
  "ServiceUnavailable",
  "SlowDown",
]);

/**
 * Returns the error for a refusal: a `DeltarError` or, if the refusal is
 * temporary, a `PassingFault` that contains a `DeltarError`.
 *
 * @param refusal The request and the response.
 */
export function faultOf(refusal: Refusal): Error {
  const { method, status, headers, object, bucket, endpoint } = refusal;
  const { code, message } = describe(refusal.text);
  // The response to a HEAD request has no body, and therefore no error code.
  // After a refused HEAD request, the caller sends a GET request to get the
  // reason.
  const hasNoCode = code === undefined;
  if (status === 404 && object !== undefined) {
    if (code === "NoSuchKey" || (hasNoCode && method === "HEAD")) {
      return new DeltarError("not-found", "the object does not exist", {
        object,
      });
    }
  }
  if (status === 412) {
    // A request that continues a read has an `If-Match` header. The service
    // answers 412 if the object was replaced.
    return method === "GET"
      ? new DeltarError(
        "io",
        "the object was replaced while it was being read; try again",
        { object },
      )
      : new DeltarError("exists", "the object already exists", { object });
  }
  const what = code === "RequestTimeTooSkewed"
    ? skew(headers)
    : ADVICE[code ?? ""] ??
      (status === 301 || status === 307 || status === 308
        ? ADVICE.PermanentRedirect
        : status === 403 && hasNoCode
        ? ADVICE.AccessDenied
        : `the service answered ${method} with status ` +
          [status, code, message].filter((part) => part).join(": "));
  const fault = new DeltarError("io", `${what} (${endpoint})`, {
    object: object ?? bucket,
    cause: new Error(
      [`status ${status}`, code].filter((part) => part).join(": "),
    ),
  });
  const passes = PASSING.has(code ?? "") || status === 429 || status === 408 ||
    (status >= 500 && status !== 501);
  if (!passes) return fault;
  const wait = 1000 * Number(headers.get("retry-after") ?? 0) || 0;
  return new PassingFault(fault, { wait });
}

function skew(headers: Headers): string {
  const server = Date.parse(headers.get("date") ?? "");
  const minutes = Math.round((Date.now() - server) / 60_000);
  const by = Number.isNaN(minutes)
    ? "wrong"
    : `${Math.abs(minutes)} minutes ${minutes < 0 ? "behind" : "ahead"}`;
  return `this machine's clock is ${by}, so the service refuses requests; set ` +
    "the clock and try again";
}

/**
 * Returns the code and message in the body of a refusal, or an empty object if
 * the body is too long or not the XML of an error.
 */
function describe(text: string): { code?: string; message?: string } {
  // The XML of an error is short. A longer text is not parsed, to save memory.
  if (text.length > MAX_TEXT_CHARACTERS) return {};
  try {
    const { root } = parseXml(text);
    if (root?.name !== "Error") return {};
    return { code: textIn(root, "Code"), message: textIn(root, "Message") };
  } catch {
    return {};
  }
}

/**
 * Returns the text of the first child element with this name, or `undefined` if
 * no child has this name.
 */
export function textIn(element: XmlElement, name: string): string | undefined {
  return elementsIn(element, name)[0]?.text;
}

/** Returns the child elements with this name. */
export function elementsIn(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child) =>
    child instanceof XmlElement && child.name === name
  ) as XmlElement[];
}
