import { nameSum } from "./name_sum.ts";

/** Returns whether a location is a folder and not a URL. */
export function isFolder(location: string): boolean {
  return !/^\w[\w+.-]+:\/\//.test(location);
}

/**
 * Returns a name for the files that a machine keeps about a location. For a
 * URL, the name also depends on the S3 endpoints in the environment, because
 * two services can have buckets with the same name.
 */
export function locationSum(
  location: string,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = env;
  const place = isFolder(location)
    ? [location]
    : [location, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL];
  return nameSum(JSON.stringify(place));
}
